/* What gpt/logits.py asks of logits (n,). Caches hold them, but little more: nothing as long as they are is written.
 *
 * gpt/compiled.py compiles and checks this file; where that fails, gpt/logits.py has torch compute the same.
 */

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

/* found (3,): the largest logit, the sum of e^(logit - largest), and the sum of each of these times (logit - largest).
 */
void softmax_sums(const float *logits, int n, double *found)
{
    float largest = largest_of(logits, n);
    double_vector sums = {0}, products = {0};
    double sum = 0, product = 0;
    int i = 0;
    for (; i + DOUBLES <= n; i += DOUBLES) {
        double_vector below = __builtin_convertvector(*(const float_vector *)(logits + i), double_vector) - largest;
        double_vector power = exponential(below);
        sums += power;
        products += power * below;
    }
    for (; i < n; i++) {
        double below = (double)logits[i] - largest;
        sum += exp(below);
        product += exp(below) * below;
    }
    for (int k = 0; k < DOUBLES; k++) {
        sum += sums[k];
        product += products[k];
    }
    found[0] = largest, found[1] = sum, found[2] = product;
}

/* ids: those of the k largest logits and of all that are level with the k-th, in order; returns how many they are. */
int top_k(const float *logits, int n, int k, float *largest, int64_t *ids)
{
    float least = -INFINITY; /* of the k largest so far, which are kept in order, this one first */
    for (int i = 0; i < k; i++)
        largest[i] = least;
    for (int i = 0; i < n; i++) {
        int place = 0;
        if (!(logits[i] > least))
            continue;
        for (; place + 1 < k && largest[place + 1] < logits[i]; place++)
            largest[place] = largest[place + 1];
        largest[place] = logits[i];
        least = largest[0];
    }
    int count = 0;
    for (int i = 0; i < n; i++)
        if (logits[i] >= least)
            ids[count++] = i;
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
