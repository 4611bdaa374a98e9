/* A Linear layer as gpt/compiled.py hands it over, and how it rounds its inputs. */

#ifndef LINEAR_H
#define LINEAR_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "vectors.h"

enum format { FLOAT32, FLOAT32_TURNED, BFLOAT16, INT8 };

typedef struct {
    const void *weight; /* (out, in); turned: (in, out) */
    const float *scale; /* (out,), or null */
    const float *bias;  /* (out,), or null */
    int32_t out, in, format, rounds_input;
} Linear;

static inline float one_bfloat16(uint16_t number)
{
    uint32_t bits = (uint32_t)number << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t to_bfloat16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return 0x7fc0;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* to the nearest, of two equally near to the even one */
}

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

/* x (n,), rounded as a layer of this format rounds its inputs. */
static inline void round_input(float *rounded, const float *x, int n, enum format format)
{
    if (format == INT8) {
        float step = step_of(x, n);
        for (int i = 0; i < n; i++)
            rounded[i] = rintf(x[i] / step) * step;
    } else {
        for (int i = 0; i < n; i++)
            rounded[i] = one_bfloat16(to_bfloat16(x[i]));
    }
}

#endif
