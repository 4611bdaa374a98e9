/* A Linear layer's outputs for many rows, tile by tile. An int8 layer multiplies whole numbers, of which a processor
 * takes twice as many at once as of float32 ones.
 *
 * gpt/compiled.py compiles and checks this file; where that fails or is no gain, gpt/kernels.py has torch compute it.
 * The threads share out every "omp for" among them. No sum depends on the rows beside its own, or on the threads.
 */

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "linear.h"

/* The sums of TILE_ROWS rows and TILE_OUTPUTS outputs fit the processor's registers, and TILE_WORDS of the weight for
 * each output its nearest cache. A word is a float32 number, or two int16 ones: an int32 sum has room for as many
 * products of 127 and STEPS.
 */
#define TILE_ROWS 6
#define TILE_OUTPUTS (2 * LANES)
#define TILE_WORDS 384

typedef uint32_t word __attribute__((may_alias));
typedef float number __attribute__((may_alias));
typedef int32_t pair __attribute__((may_alias));
typedef VECTOR_OF(float, LANES) number_vector;
typedef VECTOR_OF(int32_t, LANES) pair_vector;

static inline number_vector times_number(number_vector a, number_vector b)
{
    return a * b;
}

/* Each pair's two products with the other's, added up. */
static inline pair_vector times_pair(pair_vector a, pair_vector b)
{
#if defined(__AVX512BW__)
    return (pair_vector)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && !defined(__AVX512F__)
    return (pair_vector)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

/* sums (TILE_ROWS, TILE_OUTPUTS): n words of each row, times what is packed. */
#define DEFINE_MULTIPLY(type)                                                                    \
    static void multiply_##type(float *sums, const word *const *rows, const word *packed, int n) \
    {                                                                                            \
        type##_vector all[TILE_ROWS][2] = {0};                                                   \
        for (int i = 0; i < n; i++, packed += TILE_OUTPUTS) {                                    \
            type##_vector left = *(const type##_vector *)packed;                                 \
            type##_vector right = *(const type##_vector *)(packed + LANES);                      \
            _Pragma("GCC unroll 6") for (int row = 0; row < TILE_ROWS; row++)                    \
            {                                                                                    \
                type##_vector everywhere = (type##_vector){0} + *(const type *)(rows[row] + i);  \
                all[row][0] += times_##type(everywhere, left);                                   \
                all[row][1] += times_##type(everywhere, right);                                  \
            }                                                                                    \
        }                                                                                        \
        for (int i = 0; i < TILE_ROWS * TILE_OUTPUTS; i++)                                       \
            sums[i] = ((type *)all)[i];                                                          \
    }

DEFINE_MULTIPLY(number)
DEFINE_MULTIPLY(pair)

/* Packed words lie as a tile reads them: every output's first word, then every second one. Of each output a few are
 * packed in one go: more would come to lie too far apart.
 */
#define PACKED_AT_ONCE 16

#define DEFINE_PACK(name, type, a_word)                                                         \
    static void pack_##name(word *packed, const type *weight, int64_t in, int n_outputs, int n) \
    {                                                                                           \
        for (int start = 0; start < n; start += PACKED_AT_ONCE)                                 \
            for (int output = 0; output < n_outputs; output++) {                                \
                const type *from = weight + output * in;                                        \
                for (int i = start; i < min(n, start + PACKED_AT_ONCE); i++)                    \
                    packed[i * TILE_OUTPUTS + output] = a_word;                                 \
            }                                                                                   \
    }

DEFINE_PACK(float32, word, from[i])
DEFINE_PACK(bfloat16, uint16_t, (word)from[i] << 16)
DEFINE_PACK(int8, int8_t, (uint16_t)from[2 * i] | (word)from[2 * i + 1] << 16)

/* What comes next lies too far away for the processor to foresee it: ask for it so many inputs ahead. */
#define INPUTS_AHEAD 16

static void pack_turned(word *packed, const word *weight, int64_t out, int n_outputs, int n)
{
    for (int i = 0; i < n; i++, packed += TILE_OUTPUTS, weight += out) {
        __builtin_prefetch(weight + INPUTS_AHEAD * out);
        for (int output = 0; output < n_outputs; output++)
            packed[output] = weight[output];
    }
}

/* From the word `start` on, n words of n_outputs outputs from `first` on. What a tile has no numbers for is 0. */
static void pack(word *packed, const Linear *linear, int first, int n_outputs, int start, int n)
{
    int64_t in = linear->in, out = linear->out, corner = first * in + start;
    const void *weight = linear->weight;
    if (n_outputs < TILE_OUTPUTS)
        memset(packed, 0, n * TILE_OUTPUTS * sizeof *packed);
    if (linear->format == FLOAT32_TURNED)
        pack_turned(packed, (const word *)weight + start * out + first, out, n_outputs, n);
    else if (linear->format == FLOAT32)
        pack_float32(packed, (const word *)weight + corner, in, n_outputs, n);
    else if (linear->format == BFLOAT16)
        pack_bfloat16(packed, (const uint16_t *)weight + corner, in, n_outputs, n);
    else
        pack_int8(packed, (const int8_t *)weight + corner + start, in, n_outputs, n);
}

/* y (n,): outputs of one row, from the layer's `first` on; begun: they hold the products with earlier inputs. */
static void finish(float *restrict y, const float *restrict sums, float step, const Linear *linear, int first, int n,
                   int begun)
{
    const float *restrict scale = linear->scale, *restrict bias = linear->bias;
    for (int i = 0; i < n && !begun; i++)
        y[i] = bias ? bias[first + i] : 0;
    for (int i = 0; i < n; i++)
        y[i] += sums[i] * step * (scale ? scale[first + i] : 1);
}

/* Every row's outputs from `first` on, TILE_OUTPUTS of them; x has n_words words a row, and steps for every row or none.
 */
static void apply(const Linear *linear, int first, float *y, const word *x, int n_words, const float *steps, int n_rows)
{
    int n_outputs = min(TILE_OUTPUTS, linear->out - first);
    word packed[TILE_WORDS * TILE_OUTPUTS];
    float sums[TILE_ROWS][TILE_OUTPUTS];
    for (int start = 0; start < n_words; start += TILE_WORDS) {
        int n = min(TILE_WORDS, n_words - start);
        pack(packed, linear, first, n_outputs, start, n);
        for (int row = 0; row < n_rows; row++) {
            if (row % TILE_ROWS == 0) {
                const word *rows[TILE_ROWS];
                for (int k = 0; k < TILE_ROWS; k++)
                    rows[k] = x + (int64_t)min(row + k, n_rows - 1) * n_words + start;
                (linear->format == INT8 ? multiply_pair : multiply_number)(sums[0], rows, packed, n);
            }
            finish(y + (int64_t)row * linear->out + first, sums[row % TILE_ROWS], steps ? steps[row] : 1, linear, first,
                   n_outputs, start > 0);
        }
    }
}

/* whole (n,): the numbers of x (n,) in steps of the size that is returned. */
static float to_steps(int16_t *whole, const float *x, int n)
{
    float step = step_of(x, n);
    for (int i = 0; i < n; i++)
        whole[i] = (int32_t)rintf(x[i] / step);
    return step;
}

/* What Python calls: y (n_rows, out) = linear(x (n_rows, in)). An int8 layer is one that rounds its inputs, which are an
 * even number. Where inputs are rounded, `rounded` has room for n_rows * in numbers and `steps` for n_rows.
 */
void multiply_rows(const Linear *linear, const float *x, float *y, int n_rows, float *rounded, float *steps,
                   int n_threads)
{
    (void)n_threads; /* unused by a compiler that does not know OpenMP */
    int in = linear->in, is_whole = linear->format == INT8, n_words = is_whole ? in / 2 : in;
    const float *rows = linear->rounds_input ? rounded : x;
#pragma omp parallel num_threads(n_threads)
    {
#pragma omp for schedule(static)
        for (int row = 0; row < (linear->rounds_input ? n_rows : 0); row++) {
            const float *from = x + (int64_t)row * in;
            float *to = rounded + (int64_t)row * n_words;
            if (is_whole)
                steps[row] = to_steps((int16_t *)to, from, in);
            else
                round_input(to, from, in, linear->format);
        }
#pragma omp for schedule(dynamic)
        for (int first = 0; first < linear->out; first += TILE_OUTPUTS)
            apply(linear, first, y, (const word *)rows, n_words, is_whole ? steps : 0, n_rows);
    }
}
