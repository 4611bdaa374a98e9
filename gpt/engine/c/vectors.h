/* Sixteen lanes of numbers, whatever the processor's vectors hold: the same lanes everywhere give the same bits.
 *
 * Every operation is one IEEE operation in each lane. Where AVX-512 or AVX2 is missing, the loops below say what is
 * meant, and the compiler finds the processor's own vectors for them.
 */

#ifndef VECTORS_H
#define VECTORS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Tests define PLAIN_LANES, to hold the loops beside the vectors. */
#if defined(__x86_64__) && !defined(PLAIN_LANES)
#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs x86-64-v3: AVX2 and fused multiply-add"
#endif
#include <immintrin.h>
#endif

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

INLINE int min(int a, int b)
{
    return a < b ? a : b;
}

INLINE float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#if defined(__AVX512F__) && defined(__AVX512BW__) && !defined(PLAIN_LANES)

#define WIDE_VECTORS /* one holds all lanes, and there are 32 of them */

typedef __m512 floats;
typedef int32_t ints __attribute__((vector_size(64)));
typedef __m512i pairs; /* two 16-bit numbers in each lane */

INLINE floats load(const float *from)
{
    return _mm512_loadu_ps(from);
}

INLINE floats load_bfloat16(const uint16_t *from)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE void store(float *to, floats a)
{
    _mm512_storeu_ps(to, a);
}

INLINE floats all(float a)
{
    return _mm512_set1_ps(a);
}

INLINE floats add(floats a, floats b)
{
    return _mm512_add_ps(a, b);
}

INLINE floats subtract(floats a, floats b)
{
    return _mm512_sub_ps(a, b);
}

INLINE floats times(floats a, floats b)
{
    return _mm512_mul_ps(a, b);
}

INLINE floats divide(floats a, floats b)
{
    return _mm512_div_ps(a, b);
}

INLINE floats fused(floats a, floats b, floats c) /* a b + c, rounded once */
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE ints no_ints(void)
{
    return (ints){0};
}

INLINE pairs all_pairs(const int16_t *pair) /* the same two numbers in every lane */
{
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return _mm512_set1_epi32(both);
}

INLINE pairs load_pairs(const int8_t *from) /* two numbers for every lane, as 16-bit ones */
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)from));
}

INLINE ints add_pairs(ints sum, pairs a, pairs b) /* sum + a0 b0 + a1 b1 in every lane, exact */
{
#if defined(__AVX512VNNI__)
    return (ints)_mm512_dpwssd_epi32((__m512i)sum, a, b);
#else
    return sum + (ints)_mm512_madd_epi16(a, b);
#endif
}

INLINE floats to_floats(ints a)
{
    return _mm512_cvtepi32_ps((__m512i)a);
}

#elif defined(__AVX2__) && !defined(PLAIN_LANES)

typedef struct {
    __m256 low, high;
} floats;
typedef int32_t half_ints __attribute__((vector_size(32)));
typedef struct {
    half_ints low, high;
} ints;
typedef struct {
    __m256i low, high;
} pairs;

INLINE floats load(const float *from)
{
    return (floats){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

INLINE __m256 half_load_bfloat16(const uint16_t *from)
{
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

INLINE floats load_bfloat16(const uint16_t *from)
{
    return (floats){half_load_bfloat16(from), half_load_bfloat16(from + 8)};
}

INLINE void store(float *to, floats a)
{
    _mm256_storeu_ps(to, a.low);
    _mm256_storeu_ps(to + 8, a.high);
}

INLINE floats all(float a)
{
    return (floats){_mm256_set1_ps(a), _mm256_set1_ps(a)};
}

INLINE floats add(floats a, floats b)
{
    return (floats){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

INLINE floats subtract(floats a, floats b)
{
    return (floats){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

INLINE floats times(floats a, floats b)
{
    return (floats){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

INLINE floats divide(floats a, floats b)
{
    return (floats){_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}

INLINE floats fused(floats a, floats b, floats c)
{
    return (floats){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

INLINE ints no_ints(void)
{
    return (ints){{0}, {0}};
}

INLINE pairs all_pairs(const int16_t *pair)
{
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return (pairs){_mm256_set1_epi32(both), _mm256_set1_epi32(both)};
}

INLINE pairs load_pairs(const int8_t *from)
{
    return (pairs){_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)from)),
                   _mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)(from + 16)))};
}

INLINE ints add_pairs(ints sum, pairs a, pairs b)
{
    return (ints){sum.low + (half_ints)_mm256_madd_epi16(a.low, b.low),
                  sum.high + (half_ints)_mm256_madd_epi16(a.high, b.high)};
}

INLINE floats to_floats(ints a)
{
    return (floats){_mm256_cvtepi32_ps((__m256i)a.low), _mm256_cvtepi32_ps((__m256i)a.high)};
}

#else

typedef struct {
    float v[LANES];
} floats;
typedef struct {
    int32_t v[LANES];
} ints;
typedef struct {
    int16_t v[2 * LANES];
} pairs;

#define EACH(result, type, value) \
    type result;                  \
    for (int i = 0; i < LANES; i++) \
        result.v[i] = (value);    \
    return result

INLINE floats load(const float *from)
{
    EACH(a, floats, from[i]);
}

INLINE floats load_bfloat16(const uint16_t *from)
{
    EACH(a, floats, float_of_bits((uint32_t)from[i] << 16));
}

INLINE void store(float *to, floats a)
{
    memcpy(to, a.v, sizeof a.v);
}

INLINE floats all(float number)
{
    EACH(a, floats, number);
}

INLINE floats add(floats a, floats b)
{
    EACH(c, floats, a.v[i] + b.v[i]);
}

INLINE floats subtract(floats a, floats b)
{
    EACH(c, floats, a.v[i] - b.v[i]);
}

INLINE floats times(floats a, floats b)
{
    EACH(c, floats, a.v[i] * b.v[i]);
}

INLINE floats divide(floats a, floats b)
{
    EACH(c, floats, a.v[i] / b.v[i]);
}

INLINE floats fused(floats a, floats b, floats c)
{
    EACH(d, floats, __builtin_fmaf(a.v[i], b.v[i], c.v[i]));
}

INLINE ints no_ints(void)
{
    EACH(a, ints, 0);
}

INLINE pairs all_pairs(const int16_t *pair)
{
    pairs a;
    for (int i = 0; i < 2 * LANES; i++)
        a.v[i] = pair[i % 2];
    return a;
}

INLINE pairs load_pairs(const int8_t *from)
{
    pairs a;
    for (int i = 0; i < 2 * LANES; i++)
        a.v[i] = from[i];
    return a;
}

INLINE ints add_pairs(ints sum, pairs a, pairs b)
{
    EACH(c, ints, sum.v[i] + a.v[2 * i] * b.v[2 * i] + a.v[2 * i + 1] * b.v[2 * i + 1]);
}

INLINE floats to_floats(ints a)
{
    EACH(b, floats, (float)a.v[i]);
}

#endif

/* Functions of lanes, made of the operations above. */

/* The sum of all lanes, always in the same order. */
INLINE float sum_of_lanes(floats a)
{
    float lanes[LANES];
    store(lanes, a);
    for (int apart = LANES / 2; apart > 0; apart /= 2)
        for (int i = 0; i < apart; i++)
            lanes[i] += lanes[i + apart];
    return lanes[0];
}

/* e^x for x <= 0 as 2^k e^r with |r| <= ln(2) / 2, and e^r by its series; 0 where float32 has no normal number left. */
INLINE floats exponential(floats x)
{
    float powers[LANES], rest[LANES];
    store(rest, x);
    for (int i = 0; i < LANES; i++) {
        float below = rest[i] < -87 ? -87 : rest[i];
        float k = __builtin_rintf(below * 1.44269504f); /* 1 / ln(2) */
        /* ln(2) in two parts, of which the first times k is exact. */
        rest[i] = __builtin_fmaf(k, -1.42860677e-6f, __builtin_fmaf(k, -0.693145752f, below));
        powers[i] = rest[i] != rest[i] ? rest[i] : float_of_bits((uint32_t)((int32_t)k + 127) << 23);
    }
    floats r = load(rest), series = all(1.0f / 5040);
    series = fused(series, r, all(1.0f / 720));
    series = fused(series, r, all(1.0f / 120));
    series = fused(series, r, all(1.0f / 24));
    series = fused(series, r, all(1.0f / 6));
    series = fused(series, r, all(1.0f / 2));
    series = fused(series, r, all(1));
    series = fused(series, r, all(1));
    floats result = times(series, load(powers));
    float lanes[LANES], given[LANES];
    store(lanes, result);
    store(given, x);
    for (int i = 0; i < LANES; i++)
        lanes[i] = given[i] < -87 ? 0 : lanes[i];
    return load(lanes);
}

#endif
