/* What gpt/logits.py asks of logits (n,). Caches hold them, but little more: nothing as long as they are is written.
 *
 * gpt/compiled.py compiles and checks this file; where that fails, gpt/logits.py has torch compute the same.
 */

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "vectors.h"

#define DOUBLES (LANES / 2)

typedef VECTOR_OF(double, DOUBLES) double_vector;
typedef VECTOR_OF(int64_t, DOUBLES) int64_vector;
typedef VECTOR_OF(int32_t, DOUBLES) int32_vector;
typedef VECTOR_OF(float, DOUBLES) float_vector;

DEFINE_EXPONENTIAL(double, double_vector, int64_vector, int32_vector, 52, 13, -700)

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

/* Adds to found (2,) the sum of e^(logit - largest), and the sum of each of these times (logit - largest). */
static void add_sums(double *found, const float *logits, int n, float largest)
{
    double_vector sums = {0}, products = {0};
    int i = 0;
    for (; i + DOUBLES <= n; i += DOUBLES) {
        double_vector below = __builtin_convertvector(*(const float_vector *)(logits + i), double_vector) - largest;
        double_vector power = exponential(below);
        sums += power;
        products += power * below;
    }
    for (; i < n; i++) {
        double below = (double)logits[i] - largest;
        found[0] += exp(below);
        found[1] += exp(below) * below;
    }
    for (int k = 0; k < DOUBLES; k++) {
        found[0] += sums[k];
        found[1] += products[k];
    }
}

/* As many pieces, whatever the number of threads: the sums do not depend on it. */
#define PIECES 8

/* found (3,): the largest logit, the sum of e^(logit - largest), and the sum of each of these times (logit - largest).
 */
void softmax_sums(const float *logits, int n, double *found, int n_threads)
{
    (void)n_threads; /* unused by a compiler that does not know OpenMP */
    float largest = largest_of(logits, n);
    double sums[PIECES][2] = {0};
    int most = (n + PIECES - 1) / PIECES;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int piece = 0; piece < PIECES; piece++) {
        int first = piece * most;
        add_sums(sums[piece], logits + first, min(most, n - first), largest);
    }
    found[0] = largest, found[1] = found[2] = 0;
    for (int piece = 0; piece < PIECES; piece++) {
        found[1] += sums[piece][0];
        found[2] += sums[piece][1];
    }
}

/* Whether every logit is a finite number. */
int all_finite(const float *logits, int n)
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

/* ids: those of the k largest logits and of all that are level with the k-th, in order; returns how many they are. */
int top_k(const float *logits, int n, int k, float *largest, int64_t *ids)
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

/* How many logits come before that of `token_id`: the larger ones, and equal ones of a lower id. */
int before(const float *logits, int n, int token_id)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += logits[i] > logits[token_id];
    for (int i = 0; i < token_id; i++)
        count += logits[i] == logits[token_id];
    return count;
}
