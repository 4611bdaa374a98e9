/* The forward pass of chapter 4 for one more token, for a processor that mostly waits for the weights to arrive.
 *
 * gpt/compiled.py compiles and checks this file; where that fails, gpt/model.py computes the same, only slower.
 * Sizes: d emb_dim, h n_heads, s tokens so far, this one included. The threads share out every "omp for" among
 * them, piece by piece, and meet at its end. No sum depends on which thread computes it, or on how many there are.
 */

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "linear.h"

/* What gpt/compiled.py hands over: the same structures in the same order stand there. */

static const int number_bytes[] = {4, 4, 2, 1};

typedef struct {
    const float *scale, *shift; /* (d,) */
} LayerNorm;

typedef struct {
    LayerNorm norm1, norm2;
    Linear W_qkv, out_proj, widen, narrow;
} TransformerBlock;

typedef struct {
    const float *tok_emb, *pos_emb; /* (v, d) and (context_length, d) */
    const TransformerBlock *trf_blocks;
    LayerNorm final_norm;
    int32_t n_layers, n_heads, d;
    float eps;
} GPTModel;

typedef struct {
    void *keys, *values; /* (n_layers, h, capacity, d / h), float32 or bfloat16 */
    int32_t capacity, length, is_bfloat16;
} KVCache;

/* Loads that turn each format into float32. */

typedef VECTOR_OF(float, LANES) vector;
typedef VECTOR_OF(uint16_t, LANES) bfloat16_vector;
typedef VECTOR_OF(uint32_t, LANES) bits_vector;
typedef VECTOR_OF(int8_t, LANES) int8_vector;
typedef VECTOR_OF(int32_t, LANES) int32_vector;

static inline vector load_float32(const float *numbers)
{
    return *(const vector *)numbers;
}

/* A bfloat16 number is the first half of a float32 one. Compilers turn the general forms below into slow code. */
static inline vector load_bfloat16(const uint16_t *numbers)
{
#if defined(__AVX512F__)
    return (vector)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)numbers)), 16);
#elif defined(__AVX2__)
    return (vector)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)numbers)), 16);
#else
    return (vector)(__builtin_convertvector(*(const bfloat16_vector *)numbers, bits_vector) << 16);
#endif
}

static inline vector load_int8(const int8_t *numbers)
{
#if defined(__AVX512F__)
    return (vector)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)numbers)));
#elif defined(__AVX2__)
    return (vector)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)numbers)));
#else
    return __builtin_convertvector(__builtin_convertvector(*(const int8_vector *)numbers, int32_vector), vector);
#endif
}

static inline float one_float32(float number)
{
    return number;
}

static inline float one_int8(int8_t number)
{
    return number;
}

static inline float lanes_sum(vector lanes)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

/* Narrow numbers are used up faster than the processor foresees which come next: ask for them this many bytes ahead. */
#define AHEAD 1024
#define CACHE_LINE 64

/* dot: x (n,) times a row (n,), whose numbers lie in memory in the order in which they are needed.
 * Four sums at a time, because an addition has to wait for the one before it.
 */
#define DEFINE_DOT(name, type)                                                                             \
    static float dot_##name(const float *x, const type *row, int n)                                        \
    {                                                                                                      \
        vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};                                                     \
        int i = 0;                                                                                         \
        for (; i + 4 * LANES <= n; i += 4 * LANES) {                                                       \
            for (size_t line = 0; sizeof(type) < 4 && line < 4 * LANES * sizeof(type); line += CACHE_LINE) \
                __builtin_prefetch((const char *)(row + i) + AHEAD + line);                                \
            s0 += load_float32(x + i) * load_##name(row + i);                                              \
            s1 += load_float32(x + i + LANES) * load_##name(row + i + LANES);                              \
            s2 += load_float32(x + i + 2 * LANES) * load_##name(row + i + 2 * LANES);                      \
            s3 += load_float32(x + i + 3 * LANES) * load_##name(row + i + 3 * LANES);                      \
        }                                                                                                  \
        for (; i + LANES <= n; i += LANES)                                                                 \
            s0 += load_float32(x + i) * load_##name(row + i);                                              \
        float sum = lanes_sum((s0 + s1) + (s2 + s3));                                                      \
        for (; i < n; i++)                                                                                 \
            sum += x[i] * one_##name(row[i]);                                                              \
        return sum;                                                                                        \
    }

DEFINE_DOT(float32, float)
DEFINE_DOT(bfloat16, uint16_t)
DEFINE_DOT(int8, int8_t)

/* mix: x (n,) times n rows, (n, width) with `stride` numbers from row to row: the rows added up, each times its x.
 * Four rows at a time, because each visit of the sums costs as much as that of a row.
 */
#define DEFINE_MIX(name, type)                                                                               \
    static void mix_##name(float *sums, const float *x, const type *rows, int n, int width, int64_t stride)  \
    {                                                                                                        \
        memset(sums, 0, width * sizeof *sums);                                                               \
        for (int i = 0; i < n; i += 4) {                                                                     \
            const type *row[4];                                                                              \
            float factor[4];                                                                                 \
            for (int k = 0; k < 4; k++) {                                                                    \
                factor[k] = i + k < n ? x[i + k] : 0;                                                        \
                row[k] = rows + (i + k < n ? i + k : i) * stride;                                            \
                for (int line = 0; sizeof(type) < 4 && line < width * (int)sizeof(type); line += CACHE_LINE) \
                    __builtin_prefetch((const char *)row[k] + AHEAD + line);                                 \
            }                                                                                                \
            int j = 0;                                                                                       \
            for (; j + LANES <= width; j += LANES)                                                           \
                *(vector *)(sums + j) +=                                                                     \
                    (factor[0] * load_##name(row[0] + j) + factor[1] * load_##name(row[1] + j)) +            \
                    (factor[2] * load_##name(row[2] + j) + factor[3] * load_##name(row[3] + j));             \
            for (; j < width; j++)                                                                           \
                for (int k = 0; k < 4; k++)                                                                  \
                    sums[j] += factor[k] * one_##name(row[k][j]);                                            \
        }                                                                                                    \
    }

DEFINE_MIX(float32, float)
DEFINE_MIX(bfloat16, uint16_t)

/* Section 4.2 */
static void normalize(float *y, const float *x, LayerNorm norm, int d, float eps)
{
    float mean = 0, variance = 0;
    for (int i = 0; i < d; i++)
        mean += x[i] / d;
    for (int i = 0; i < d; i++)
        variance += (x[i] - mean) * (x[i] - mean) / d;
    float factor = 1 / sqrtf(variance + eps);
    for (int i = 0; i < d; i++)
        y[i] = (x[i] - mean) * factor * norm.scale[i] + norm.shift[i];
}

/* A Linear layer, and what becomes of its outputs. */

enum then { STORE, ADD };

static inline void finish(float *y, float sum, const Linear *linear, int row, enum then then)
{
    float value = sum * (linear->scale ? linear->scale[row] : 1) + (linear->bias ? linear->bias[row] : 0);
    y[row] = then == ADD ? y[row] + value : value;
}

static inline float dot(const float *x, const Linear *linear, int row)
{
    int in = linear->in;
    int64_t start = (int64_t)row * in;
    if (linear->format == INT8)
        return dot_int8(x, (const int8_t *)linear->weight + start, in);
    if (linear->format == BFLOAT16)
        return dot_bfloat16(x, (const uint16_t *)linear->weight + start, in);
    return dot_float32(x, (const float *)linear->weight + start, in);
}

/* A thread reads about so much in one go, and a layer is cut into PARTS at least. */
#define PIECE_BYTES (1 << 17)
#define PARTS 8

/* A weight that lies in memory as (in, out) is cut between its inputs, or no thread could read on in one go. */
static void apply_turned(const Linear *linear, float *y, const float *x, enum then then, float *sums)
{
    int in = linear->in, out = linear->out, most = (in + PARTS - 1) / PARTS;
#pragma omp for schedule(dynamic)
    for (int part = 0; part < PARTS; part++) {
        int first = part * most, n = min(most, in - first);
        const float *rows = (const float *)linear->weight + (int64_t)first * out;
        mix_float32(sums + (int64_t)part * out, x + first, rows, n, out, out);
    }
#pragma omp for schedule(static)
    for (int row = 0; row < out; row++) {
        float sum = 0;
        for (int part = 0; part < PARTS; part++)
            sum += sums[(int64_t)part * out + row];
        finish(y, sum, linear, row, then);
    }
}

/* `sums` has room for PARTS numbers per output. */
static void apply(const Linear *linear, float *y, const float *x, enum then then, float *sums)
{
    int in = linear->in;
    float rounded[linear->rounds_input ? in : 1];
    if (linear->rounds_input) {
        round_input(rounded, x, in, linear->format);
        x = rounded;
    }
    if (linear->format == FLOAT32_TURNED) {
        apply_turned(linear, y, x, then, sums);
        return;
    }
    int rows = min(PIECE_BYTES / (in * number_bytes[linear->format]), linear->out / PARTS) + 1;
#pragma omp for schedule(dynamic, rows)
    for (int row = 0; row < linear->out; row++)
        finish(y, dot(x, linear, row), linear, row, then);
}

DEFINE_EXPONENTIAL(float, vector, int32_vector, int32_vector, 23, 7, -87)

/* Scores (s,) become e^(score - largest), divided by the sum of all. */
static void softmax(float *scores, int s, float largest)
{
    vector sums = {0};
    float sum = 0;
    int j = 0;
    for (; j + LANES <= s; j += LANES)
        sums += *(vector *)(scores + j) = exponential(load_float32(scores + j) - largest);
    for (; j < s; j++)
        sum += scores[j] = expf(scores[j] - largest);
    sum += lanes_sum(sums);
    for (j = 0; j < s; j++)
        scores[j] /= sum;
}

/* Section 4.3: 0.5 x (1 + tanh(u)) is x / (1 + e^(-2 u)), here with e^-|2 u|, which cannot overflow. */
static inline vector gelu(vector x)
{
    const float root = 0.7978845608f; /* sqrt(2 / pi) */
    vector u = root * (x + 0.044715f * x * x * x), least, above;
    for (int i = 0; i < LANES; i++)
        least[i] = -2 * fabsf(u[i]);
    vector power = exponential(least);
    for (int i = 0; i < LANES; i++)
        above[i] = u[i] < 0 ? power[i] : 1;
    return x * above / (1 + power);
}

/* Section 3.6: one head's mix of the values so far; its own key and value join the cache first. */
static void attend(float *mixed, const float *qkv, const KVCache *cache, int64_t start, int d, int head_dim)
{
    int s = cache->length + 1;
    int64_t own = start + (int64_t)cache->length * head_dim;
    float weights[s], largest = -INFINITY, root = sqrtf(head_dim);
    for (int i = 0; i < head_dim; i++) {
        if (cache->is_bfloat16) {
            ((uint16_t *)cache->keys)[own + i] = to_bfloat16(qkv[d + i]);
            ((uint16_t *)cache->values)[own + i] = to_bfloat16(qkv[2 * d + i]);
        } else {
            ((float *)cache->keys)[own + i] = qkv[d + i];
            ((float *)cache->values)[own + i] = qkv[2 * d + i];
        }
    }
    for (int j = 0; j < s; j++) {
        int64_t at = start + (int64_t)j * head_dim;
        weights[j] = cache->is_bfloat16 ? dot_bfloat16(qkv, (const uint16_t *)cache->keys + at, head_dim)
                                        : dot_float32(qkv, (const float *)cache->keys + at, head_dim);
        weights[j] /= root;
        largest = weights[j] > largest ? weights[j] : largest;
    }
    softmax(weights, s, largest);
    if (cache->is_bfloat16)
        mix_bfloat16(mixed, weights, (const uint16_t *)cache->values + start, s, head_dim, head_dim);
    else
        mix_float32(mixed, weights, (const float *)cache->values + start, s, head_dim, head_dim);
}

/* What Python calls, with room in `sums` for PARTS numbers per output of the widest turned layer. */

/* y (out,) = linear(x (in,)) */
void multiply(const Linear *linear, const float *x, float *y, float *sums, int n_threads)
{
    (void)n_threads; /* unused by a compiler that does not know OpenMP */
#pragma omp parallel num_threads(n_threads)
    apply(linear, y, x, STORE, sums);
}

/* hidden (d,) of the token that follows the cache->length tokens in the cache, which then holds its keys and values. */
void read_token(const GPTModel *model, const KVCache *cache, int64_t token_id, float *hidden, float *sums,
                int n_threads)
{
    (void)n_threads;
    int d = model->d, n_heads = model->n_heads, head_dim = d / n_heads;
    float x[d], qkv[3 * d], context[d], wide[4 * d + LANES]; /* wide: in whole vectors */
    for (int i = 0; i < d; i++)
        x[i] = model->tok_emb[token_id * d + i] + model->pos_emb[(int64_t)cache->length * d + i];
#pragma omp parallel num_threads(n_threads)
    {
        float normalized[d];
        for (int layer = 0; layer < model->n_layers; layer++) {
            const TransformerBlock *block = &model->trf_blocks[layer];
            normalize(normalized, x, block->norm1, d, model->eps);
            apply(&block->W_qkv, qkv, normalized, STORE, sums);
#pragma omp for schedule(dynamic)
            for (int head = 0; head < n_heads; head++) {
                int64_t start = ((int64_t)layer * n_heads + head) * cache->capacity * head_dim;
                attend(context + head * head_dim, qkv + head * head_dim, cache, start, d, head_dim);
            }
            apply(&block->out_proj, x, context, ADD, sums);
            normalize(normalized, x, block->norm2, d, model->eps);
            apply(&block->widen, wide, normalized, STORE, sums);
#pragma omp for schedule(static)
            for (int i = 0; i < 4 * d; i += LANES)
                *(vector *)(wide + i) = gelu(*(vector *)(wide + i));
            apply(&block->narrow, x, wide, ADD, sums);
        }
    }
    normalize(hidden, x, model->final_norm, d, model->eps);
}
