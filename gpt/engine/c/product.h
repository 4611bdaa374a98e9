/* Rows of inputs times panels of a weight, tile by tile: the one loop that everything here waits for.
 *
 * Every output is the sum over inputs 0, 1, 2 … in one lane, by fused multiply-adds; int8 numbers are summed as whole
 * numbers. Neither the rows beside it nor the threads nor the width of the processor's vectors can change it.
 */

#ifndef PRODUCT_H
#define PRODUCT_H

#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "vectors.h"

enum format { FLOAT32, BFLOAT16, INT8 };
enum rounding { AS_IT_IS, TO_BFLOAT16, TO_STEPS };
enum activation { GELU_TANH, GELU_EXACT, RELU, NO_ACTIVATION };
enum then { STORE, ADD };

#define PANEL 32 /* outputs of a panel, two vectors of lanes */

/* The rows and vectors whose sums fit the processor's registers. More would only be slow, to compile as well. */
#if defined(WIDE_VECTORS)
#define TILE_ROWS 12
#define TILE_VECTORS 2
#else
#define TILE_ROWS 6
#define TILE_VECTORS 1
#endif

/* Inputs, rounded as a layer wants them: float32 numbers, or whole steps of a size that each row has. */
typedef struct {
    const void *numbers;
    const float *steps;
    int64_t stride; /* numbers from row to row */
} Rows;

static inline int panels_of(int n)
{
    return (n + PANEL - 1) / PANEL;
}

static inline int in_panels(int n)
{
    return panels_of(n) * PANEL;
}

/* A bfloat16 number is the first half of a float32 one. */
static inline uint16_t to_bfloat16(float value)
{
    uint32_t bits = bits_of_float(value);
    if (value != value)
        return 0x7fc0;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* to the nearest, of two equally near to the even one */
}

/* Bytes of one rounded input. */
size_t input_bytes(int rounding);

/* x (n,) rounded, and one 0 behind it where numbers go in pairs. Returns the size of a step, or 1. */
float round_row(void *to, const float *x, int n, int rounding);

/* sums (n_rows, PANEL), with `stride` numbers from row to row: rows of float32 numbers times one panel of n inputs. */
void multiply_panel(float *sums, int64_t stride, Rows rows, int n_rows, const void *panel, int n, int is_bfloat16);

/* One panel's outputs y (n_rows, …) for all rows; y points to output 0 of row 0. */
void apply_panel(const Linear *linear, int panel, Rows rows, int n_rows, float *y, int64_t stride, int then,
                 int activation);

/* How many panels make a piece of work. */
int panels_in_piece(const Linear *linear, int n_threads);

#endif
