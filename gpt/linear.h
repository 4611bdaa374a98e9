/* A Linear layer as gpt/compiled.py hands it over, and the steps to which an int8 one rounds its inputs. */

#ifndef LINEAR_H
#define LINEAR_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "vectors.h"

enum format { FLOAT32, FLOAT32_TURNED, BFLOAT16, INT8 };

typedef struct {
    const void *weight; /* (out, in); turned: (in, out) */
    const float *scale; /* (out,), or null */
    const float *bias;  /* (out,), or null */
    int32_t out, in, format, rounds_input;
} Linear;

/* The largest absolute value of a row takes so many steps: gpt/kernels.py knows the number too. */
#define STEPS 16383

/* The step of a row x (n,); NaN where a number is not finite, so that nothing made of it is. */
static inline float step_of(const float *x, int n)
{
    float largest[LANES] = {0};
    int i = 0, not_finite = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float size = fabsf(x[i + k]);
            largest[k] = size > largest[k] ? size : largest[k];
        }
    for (; i < n; i++)
        largest[0] = fabsf(x[i]) > largest[0] ? fabsf(x[i]) : largest[0];
    for (int k = 1; k < LANES; k++)
        largest[0] = largest[k] > largest[0] ? largest[k] : largest[0];
    for (i = 0; i < n; i++)
        not_finite |= !(fabsf(x[i]) <= FLT_MAX);
    return not_finite ? NAN : fmaxf(largest[0] / STEPS, FLT_MIN);
}

#endif
