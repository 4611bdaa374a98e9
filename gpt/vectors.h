/* What the C files share: vectors of numbers, as compilers offer them for every processor. */

#ifndef VECTORS_H
#define VECTORS_H

#include <stddef.h>

/* So many float32 numbers the processor at hand takes at once. */
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define VECTOR_OF(type, lanes) type __attribute__((vector_size((lanes) * sizeof(type)), aligned(sizeof(type)), may_alias))

static inline int min(int a, int b)
{
    return a < b ? a : b;
}

/* e^x for x <= 0, below `least` as if it were that, as 2^k e^r with |r| <= ln(2) / 2, and e^r by its series.
 *
 * `vector` is one of numbers of `type`, `whole` has integers as long as those, and `exponent` int32 ones, as many as
 * these are; the last `mantissa` bits of a number hold its fraction.
 */
#define DEFINE_EXPONENTIAL(type, vector, whole, exponent, mantissa, terms, least)                                 \
    static inline vector exponential(vector x)                                                                    \
    {                                                                                                             \
        const type log_2 = (type)0.693147180559945309417;                                                         \
        for (size_t i = 0; i < sizeof x / sizeof x[0]; i++)                                                       \
            x[i] = x[i] < (least) ? (least) : x[i];                                                               \
        exponent k = __builtin_convertvector(x * (1 / log_2) - (type)0.5, exponent); /* towards 0: the nearest */ \
        vector r = x - __builtin_convertvector(k, vector) * log_2, series = r * 0 + 1;                            \
        for (int n = (terms); n > 0; n--)                                                                         \
            series = 1 + r * ((type)1 / n) * series;                                                              \
        return (vector)((whole)series + (__builtin_convertvector(k, whole) << (mantissa)));                       \
    }

#endif
