/* What gpt/engine/logits.py asks of logits (n,). Caches hold them, but little more: nothing as long as they is written.
 *
 * Sums are taken in eight lanes and then in one order, by operations of our own: the same bits on every processor.
 */

#include <float.h>

#include <stdint.h>

#include "engine.h"
#include "vectors.h"

#define DOUBLES 8

/* e^x for x <= 0, as in vectors.h, in float64. */
INLINE double exponential_of(double x)
{
    double below = x < -700 ? -700 : x;
    double k = __builtin_rint(below * 1.4426950408889634);
    /* ln(2) in two parts, of which the first times k is exact. */
    double r = __builtin_fma(k, -1.9082149292705877e-10, __builtin_fma(k, -0.6931471803691238, below));
    double series = 1;
    for (int n = 13; n > 0; n--)
        series = __builtin_fma(series, r * (1.0 / n), 1);
    int64_t power = (int64_t)k + 1023;
    uint64_t bits = (uint64_t)power << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    double result = series * scale;
    return x < -700 ? 0 : x != x ? x : result;
}

static double sum_of_doubles(double *lanes)
{
    for (int apart = DOUBLES / 2; apart > 0; apart /= 2)
        for (int i = 0; i < apart; i++)
            lanes[i] += lanes[i + apart];
    return lanes[0];
}

static float largest_of(const float *logits, int n)
{
    float lanes[LANES], largest = -INFINITY;
    int i = 0;
    for (int k = 0; k < LANES; k++)
        lanes[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] = logits[i + k] > lanes[k] ? logits[i + k] : lanes[k];
    for (; i < n; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    for (int k = 0; k < LANES; k++)
        largest = lanes[k] > largest ? lanes[k] : largest;
    return largest;
}

void softmax_sums(const float *logits, int32_t n, double *found)
{
    double largest = largest_of(logits, n), sums[DOUBLES] = {0}, products[DOUBLES] = {0};
    int i = 0;
    for (; i + DOUBLES <= n; i += DOUBLES)
        for (int k = 0; k < DOUBLES; k++) {
            double below = logits[i + k] - largest, power = exponential_of(below);
            sums[k] += power;
            products[k] = __builtin_fma(power, below, products[k]);
        }
    for (int k = 0; i + k < n; k++) {
        double below = logits[i + k] - largest, power = exponential_of(below);
        sums[k] += power;
        products[k] = __builtin_fma(power, below, products[k]);
    }
    found[0] = largest, found[1] = sum_of_doubles(sums), found[2] = sum_of_doubles(products);
}

void softmax(const double *scores, int32_t n, double temperature, double *probabilities)
{
    double largest = -INFINITY, sums[DOUBLES] = {0};
    for (int i = 0; i < n; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    int i = 0;
    for (; i + DOUBLES <= n; i += DOUBLES)
        for (int k = 0; k < DOUBLES; k++)
            sums[k] += probabilities[i + k] = exponential_of((scores[i + k] - largest) / temperature);
    for (int k = 0; i + k < n; k++)
        sums[k] += probabilities[i + k] = exponential_of((scores[i + k] - largest) / temperature);
    double sum = sum_of_doubles(sums);
    for (i = 0; i < n; i++)
        probabilities[i] /= sum;
}
int32_t all_finite(const float *logits, int32_t n)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found |= !(fabsf(logits[i]) <= FLT_MAX);
    return !found;
}

/* Few logits are among the largest: of so many together it is soon known whether one is. */
#define TOGETHER 64

static int any_reaches(float level, const float *logits, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found |= logits[i] >= level;
    return found;
}

int32_t top_k(const float *logits, int32_t n, int32_t k, float *largest, int64_t *ids)
{
    float least = -INFINITY; /* of the k largest so far, which are kept in order, this one first */
    for (int i = 0; i < k; i++)
        largest[i] = least;
    for (int start = 0; start < n; start += TOGETHER) {
        int end = min(n, start + TOGETHER);
        for (int i = any_reaches(least, logits + start, end - start) ? start : end; i < end; i++) {
            int place = 0;
            if (!(logits[i] > least))
                continue;
            for (; place + 1 < k && largest[place + 1] < logits[i]; place++)
                largest[place] = largest[place + 1];
            largest[place] = logits[i];
            least = largest[0];
        }
    }
    int count = 0;
    for (int start = 0; start < n; start += TOGETHER) {
        int end = min(n, start + TOGETHER);
        for (int i = any_reaches(least, logits + start, end - start) ? start : end; i < end; i++)
            if (logits[i] >= least)
                ids[count++] = i;
    }
    return count;
}

int32_t before(const float *logits, int32_t n, int32_t token_id)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += logits[i] > logits[token_id];
    for (int i = 0; i < token_id; i++)
        count += logits[i] == logits[token_id];
    return count;
}
