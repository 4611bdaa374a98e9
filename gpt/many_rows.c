/* An int8 layer's outputs for many rows, in whole numbers: of those a processor multiplies twice as many at once.
 *
 * gpt/compiled.py compiles and checks this file; where that fails or is no gain, gpt/kernels.py has torch compute it.
 * The threads share out every "omp for" among them. No sum depends on the rows beside its own, or on the threads.
 */

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "linear.h"

/* The sums of TILE_ROWS rows and TILE_OUTPUTS outputs fit the processor's registers, and what a tile reads of the
 * weight its nearest cache. An int32 sum has room for TILE_INPUTS products of 127 and STEPS.
 */
#define TILE_ROWS 6
#define TILE_OUTPUTS (2 * LANES)
#define TILE_INPUTS 768

/* Of int16 numbers, two by two. */
typedef VECTOR_OF(int32_t, LANES) pairs_vector;

/* Each pair's two products with the other's, added up. */
static inline pairs_vector products(pairs_vector a, pairs_vector b)
{
#if defined(__AVX512BW__)
    return (pairs_vector)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && !defined(__AVX512F__)
    return (pairs_vector)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

/* whole (n,): the numbers of x (n,) in steps of the size that is returned. */
static float to_steps(int16_t *whole, const float *x, int n)
{
    float step = step_of(x, n);
    for (int i = 0; i < n; i++)
        whole[i] = (int32_t)rintf(x[i] / step);
    return step;
}

/* packed: n inputs of so many outputs, from the first of them in `weight` on, as a tile reads them: the first two
 * inputs of every output, then the next two. What a tile has no numbers for is 0.
 */
static void pack(int32_t *packed, const int8_t *weight, int in, int n_outputs, int n)
{
    if (n_outputs < TILE_OUTPUTS)
        memset(packed, 0, TILE_INPUTS / 2 * TILE_OUTPUTS * sizeof *packed);
    for (int i = 0; i < n; i += 2, packed += TILE_OUTPUTS)
        for (int output = 0; output < n_outputs; output++) {
            const int8_t *two = weight + (int64_t)output * in + i;
            packed[output] = (uint16_t)two[0] | (uint32_t)(i + 1 < n ? two[1] : 0) << 16;
        }
}

/* sums (TILE_ROWS, TILE_OUTPUTS): rows of x, `stride` numbers apart, times what is packed. */
static void multiply_tile(int32_t *sums, const int16_t *x, int64_t stride, const int32_t *packed, int n_pairs)
{
    pairs_vector all[TILE_ROWS][2] = {0};
    for (int pair = 0; pair < n_pairs; pair++) {
        pairs_vector left = *(const pairs_vector *)(packed + pair * TILE_OUTPUTS);
        pairs_vector right = *(const pairs_vector *)(packed + pair * TILE_OUTPUTS + LANES);
#pragma GCC unroll 6
        for (int row = 0; row < TILE_ROWS; row++) {
            int32_t two;
            memcpy(&two, x + row * stride + 2 * pair, sizeof two);
            pairs_vector everywhere = (pairs_vector){0} + two;
            all[row][0] += products(everywhere, left);
            all[row][1] += products(everywhere, right);
        }
    }
    memcpy(sums, all, sizeof all);
}

/* y (n,): outputs of one row, from the layer's `first` on; begun: they hold the products with earlier inputs. */
static void finish(float *restrict y, const int32_t *restrict sums, float step, const Linear *linear, int first, int n,
                   int begun)
{
    const float *restrict scale = linear->scale + first, *restrict bias = linear->bias;
    for (int i = 0; i < n && !begun; i++)
        y[i] = bias ? bias[first + i] : 0;
    for (int i = 0; i < n; i++)
        y[i] += sums[i] * step * scale[i];
}

/* Every row's outputs from `first` on, TILE_OUTPUTS of them. */
static void apply(const Linear *linear, int first, float *y, const int16_t *whole, const float *steps, int n_rows)
{
    int in = linear->in, stride = in + in % 2, n_outputs = min(TILE_OUTPUTS, linear->out - first);
    for (int start = 0; start < in; start += TILE_INPUTS) {
        int n = min(TILE_INPUTS, in - start);
        int32_t packed[TILE_INPUTS / 2 * TILE_OUTPUTS];
        pack(packed, (const int8_t *)linear->weight + (int64_t)first * in + start, in, n_outputs, n);
        int32_t sums[TILE_ROWS][TILE_OUTPUTS];
        for (int row = 0; row < n_rows; row++) {
            if (row % TILE_ROWS == 0)
                multiply_tile(sums[0], whole + (int64_t)row * stride + start, stride, packed, (n + 1) / 2);
            finish(y + (int64_t)row * linear->out + first, sums[row % TILE_ROWS], steps[row], linear, first, n_outputs,
                   start > 0);
        }
    }
}

/* What Python calls: y (n_rows, out) = linear(x (n_rows, in)), for an int8 layer that rounds its inputs.
 *
 * `steps` has room for n_rows numbers, `whole` for as many rows of `in`, rounded up to TILE_ROWS and to even.
 */
void multiply_rows(const Linear *linear, const float *x, float *y, int n_rows, int16_t *whole, float *steps,
                   int n_threads)
{
    (void)n_threads; /* unused by a compiler that does not know OpenMP */
    int in = linear->in, stride = in + in % 2;
#pragma omp parallel num_threads(n_threads)
    {
#pragma omp for schedule(static)
        for (int row = 0; row < n_rows; row++) {
            int16_t *to = whole + (int64_t)row * stride;
            to[stride - 1] = 0;
            steps[row] = to_steps(to, x + (int64_t)row * in, in);
        }
#pragma omp for schedule(dynamic)
        for (int first = 0; first < linear->out; first += TILE_OUTPUTS)
            apply(linear, first, y, whole, steps, n_rows);
    }
}
