/* The loops of product.h. */

#include "product.h"

#include <float.h>

float times_plus(float a, float b, float c)
{
    return a * b + c;
}

/* Rounding inputs */

/* The largest absolute value of a row takes so many steps: gpt/engine/precision.py knows the number too. */
#define STEPS 16383

/* The step of a row x (n,); NaN where a number is not finite, so that nothing made of it is. */
static float step_of(const float *x, int n)
{
    float largest = 0;
    int all_finite = 1;
    for (int i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        largest = size > largest ? size : largest;
        all_finite &= size <= FLT_MAX;
    }
    float step = largest / STEPS;
    return !all_finite ? NAN : step < FLT_MIN ? FLT_MIN : step;
}

size_t input_bytes(int rounding)
{
    return rounding == TO_STEPS ? sizeof(int16_t) : sizeof(float);
}

float round_row(void *to, const float *x, int n, int rounding)
{
    if (rounding == TO_STEPS) {
        int16_t *whole = to;
        float step = step_of(x, n);
        for (int i = 0; i < n; i++)
            whole[i] = step == step ? (int16_t)__builtin_rintf(x[i] / step) : 0;
        whole[n] = 0; /* the second of a last pair */
        return step;
    }
    float *numbers = to;
    for (int i = 0; i < n; i++)
        numbers[i] = rounding == TO_BFLOAT16 ? float_of_bits((uint32_t)to_bfloat16(x[i]) << 16) : x[i];
    return 1;
}

/* Sums of one tile. `rows` and `vectors` are constants wherever these are called, so that all sums stay in registers.
 */

INLINE void sum_floats(floats (*sums)[2], const float *x, int64_t stride, const char *panel, int n, int is_bfloat16,
                       const int rows, const int vectors)
{
    floats total[TILE_ROWS][2];
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            total[row][v] = all(0);
    for (int i = 0; i < n; i++) {
        floats weight[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            int64_t at = (int64_t)i * PANEL + v * LANES;
            weight[v] = is_bfloat16 ? load_bfloat16((const uint16_t *)panel + at) : load((const float *)panel + at);
        }
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            floats input = all(x[row * stride + i]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                total[row][v] = fused(input, weight[v], total[row][v]);
        }
    }
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[row][v] = total[row][v];
}

/* So many products of 127 and STEPS fit an int32 sum. */
#define BLOCK 1024

INLINE void sum_pairs(floats (*sums)[2], const int16_t *x, int64_t stride, const int8_t *panel, int n, const int rows,
                      const int vectors)
{
#pragma GCC unroll 12
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[row][v] = all(0);
    for (int start = 0; start < n; start += BLOCK) {
        int end = min(n, start + BLOCK);
        ints total[TILE_ROWS][2];
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                total[row][v] = no_ints();
        int i = start;
        do {
            pairs weight[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                weight[v] = load_pairs(panel + (int64_t)i * PANEL + v * 2 * LANES);
#pragma GCC unroll 12
            for (int row = 0; row < rows; row++) {
                pairs input = all_pairs(x + row * stride + i);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    total[row][v] = add_pairs(total[row][v], input, weight[v]);
            }
        } while ((i += 2) < end);
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sums[row][v] = add(sums[row][v], to_floats(total[row][v]));
    }
}

/* What becomes of sums: a tile, its place, and its layer. */

INLINE floats absolute(floats x)
{
    float lanes[LANES];
    store(lanes, x);
    for (int i = 0; i < LANES; i++)
        lanes[i] = fabsf(lanes[i]);
    return load(lanes);
}

/* a where x < 0, else b */
INLINE floats where_negative(floats x, floats a, floats b)
{
    float lanes[LANES], left[LANES], right[LANES];
    store(lanes, x);
    store(left, a);
    store(right, b);
    for (int i = 0; i < LANES; i++)
        right[i] = lanes[i] < 0 ? left[i] : right[i];
    return load(right);
}

/* Section 4.3: 0.5 x (1 + tanh(u)) is x / (1 + e^(-2 u)), here with e^-|2 u|, which cannot overflow. */
INLINE floats gelu_tanh(floats x)
{
    floats cube = times(times(x, x), x);
    floats u = times(all(0.7978845608f), fused(all(0.044715f), cube, x)); /* sqrt(2 / pi) */
    floats power = exponential(times(all(-2), absolute(u)));
    return divide(times(x, where_negative(u, power, all(1))), add(all(1), power));
}

/* x times the normal distribution's cumulative probability at x; Abramowitz and Stegun 7.1.26, within 1.5e-7. */
INLINE floats gelu_exact(floats x)
{
    floats size = times(absolute(x), all(0.7071067812f));
    floats t = divide(all(1), fused(all(0.3275911f), size, all(1)));
    floats series = all(1.061405429f);
    series = fused(series, t, all(-1.453152027f));
    series = fused(series, t, all(1.421413741f));
    series = fused(series, t, all(-0.284496736f));
    series = fused(series, t, all(0.254829592f));
    floats tail = times(times(series, t), exponential(times(times(all(-1), size), size)));
    tail = times(all(0.5f), tail);
    return times(x, where_negative(x, tail, subtract(all(1), tail)));
}

INLINE floats activated(floats x, int activation)
{
    if (activation == GELU_TANH)
        return gelu_tanh(x);
    if (activation == GELU_EXACT)
        return gelu_exact(x);
    return activation == RELU ? where_negative(x, all(0), x) : x;
}

INLINE void finish(float *y, floats sum, float step, const Linear *linear, int output, int then, int activation)
{
    if (linear->format == INT8)
        sum = times(times(sum, all(step)), load(linear->scale + output));
    if (linear->bias)
        sum = add(sum, load(linear->bias + output));
    if (activation != NO_ACTIVATION)
        sum = activated(sum, activation);
    store(y, then == ADD ? add(load(y), sum) : sum);
}

/* The sums of n_rows rows from `first` on. With few registers, one half of the panel after the other. */
INLINE void sum_tile(floats (*sums)[2], int format, Rows rows, int first, const char *panel, int n, const int n_rows)
{
    const int vectors = n_rows == 1 ? 2 : TILE_VECTORS, bytes = format == INT8 ? 2 : format == BFLOAT16 ? 2 : 4;
    for (int v = 0; v < 2; v += vectors) {
        floats(*part)[2] = (floats(*)[2])&sums[0][v];
        const char *from = panel + v * LANES * bytes;
        const float *x = (const float *)rows.numbers + first * rows.stride;
        if (format == FLOAT32)
            sum_floats(part, x, rows.stride, from, n, 0, n_rows, vectors);
        else if (format == BFLOAT16)
            sum_floats(part, x, rows.stride, from, n, 1, n_rows, vectors);
        else
            sum_pairs(part, (const int16_t *)rows.numbers + first * rows.stride, rows.stride, (const int8_t *)from, n,
                      n_rows, vectors);
    }
}

/* One case for each number of rows: the same lines, with their sums in registers. */
static void sum_rows(floats (*sums)[2], int format, Rows rows, int first, const void *panel, int n, int n_rows)
{
    switch (n_rows) {
    case 1:
        sum_tile(sums, format, rows, first, panel, n, 1);
        return;
    case 2:
        sum_tile(sums, format, rows, first, panel, n, 2);
        return;
    case 3:
        sum_tile(sums, format, rows, first, panel, n, 3);
        return;
    case 4:
        sum_tile(sums, format, rows, first, panel, n, 4);
        return;
    case 5:
        sum_tile(sums, format, rows, first, panel, n, 5);
        return;
    case 6:
        sum_tile(sums, format, rows, first, panel, n, 6);
        return;
#if TILE_ROWS > 6
    case 7:
        sum_tile(sums, format, rows, first, panel, n, 7);
        return;
    case 8:
        sum_tile(sums, format, rows, first, panel, n, 8);
        return;
    case 9:
        sum_tile(sums, format, rows, first, panel, n, 9);
        return;
    case 10:
        sum_tile(sums, format, rows, first, panel, n, 10);
        return;
    case 11:
        sum_tile(sums, format, rows, first, panel, n, 11);
        return;
    case 12:
        sum_tile(sums, format, rows, first, panel, n, 12);
        return;
#endif
    }
}

/* Rows of tiles of about equal height, none higher than TILE_ROWS. */
static int tile_height(int n_rows)
{
    int n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    return (n_rows + n_tiles - 1) / n_tiles;
}

void multiply_panel(float *sums, int64_t stride, Rows rows, int n_rows, const void *panel, int n, int is_bfloat16)
{
    floats tile[TILE_ROWS][2];
    int height = tile_height(n_rows);
    for (int first = 0; first < n_rows; first += height) {
        int here = min(height, n_rows - first);
        sum_rows(tile, is_bfloat16 ? BFLOAT16 : FLOAT32, rows, first, panel, n, here);
        for (int row = 0; row < here; row++)
            for (int v = 0; v < 2; v++)
                store(sums + (first + row) * stride + v * LANES, tile[row][v]);
    }
}

static const int number_bytes[] = {[FLOAT32] = 4, [BFLOAT16] = 2, [INT8] = 1};

static int64_t panel_bytes(const Linear *linear)
{
    int64_t in = linear->format == INT8 ? (linear->in + 1) / 2 * 2 : linear->in;
    return in * PANEL * number_bytes[linear->format];
}

void apply_panel(const Linear *linear, int panel, Rows rows, int n_rows, float *y, int64_t stride, int then,
                 int activation)
{
    floats tile[TILE_ROWS][2];
    const char *numbers = (const char *)linear->panels + panel * panel_bytes(linear);
    int height = tile_height(n_rows), output = panel * PANEL;
    for (int first = 0; first < n_rows; first += height) {
        int here = min(height, n_rows - first);
        sum_rows(tile, linear->format, rows, first, numbers, linear->in, here);
        for (int row = 0; row < here; row++)
            for (int v = 0; v < 2; v++) {
                int at = output + v * LANES;
                float step = rows.steps ? rows.steps[first + row] : 1;
                finish(y + (first + row) * stride + at, tile[row][v], step, linear, at, then, activation);
            }
    }
}

/* A piece takes about this many bytes of the weight, unless too few pieces would be left to share. */
#define PIECE_BYTES (1 << 16)

int panels_in_piece(const Linear *linear, int n_threads)
{
    int together = (int)(PIECE_BYTES / panel_bytes(linear)), most = panels_of(linear->out) / (4 * n_threads);
    together = min(together, most);
    return together > 1 ? together : 1;
}
