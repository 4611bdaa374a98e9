/* Reads random models of random shapes by the functions of engine.h, for the sanitizers: `shapes SEED COUNT`.
 *
 * Every buffer is as long as engine.h says and no longer. Each text is read twice, in one pass and in several beside
 * others, with other numbers of threads, and has to give the same bits.
 */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define PANEL 32

static uint64_t state;

static uint32_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

/* A whole number from `least` to `most`. */
static int any(int least, int most)
{
    return least + random_bits() % (most - least + 1);
}

static float number(void)
{
    return any(-1000, 1000) / 2000.0f;
}

static int in_panels(int n)
{
    return (n + PANEL - 1) / PANEL * PANEL;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* What is allocated for one model, to be let go together */

static void *kept[10000];
static int n_kept;

static void *keep(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    memset(memory, 0xff, bytes); /* NaN in every format with one */
    return kept[n_kept++] = memory;
}

/* 64-byte aligned and a multiple of it, as `take` in c/pass.c counts. */
static void *keep_aligned(size_t bytes)
{
    return kept[n_kept++] = aligned_alloc(64, (bytes + 63) / 64 * 64 + (bytes ? 0 : 64));
}

static void let_go(void)
{
    while (n_kept > 0)
        free(kept[--n_kept]);
}

static float *numbers(int n)
{
    float *made = keep(n * sizeof *made);
    for (int i = 0; i < n; i++)
        made[i] = number();
    return made;
}

static float *row(int n)
{
    float *made = numbers(in_panels(n));
    for (int i = n; i < in_panels(n); i++)
        made[i] = 0;
    return made;
}

/* Packing: a weight (out, in) that lies in rows, in columns or with gaps */

static void check_panels(const char *panels, const char *weight, int64_t out_step, int64_t in_step, int out, int in,
                         int bytes, int together)
{
    static const char zeros[4];
    int high = (in + together - 1) / together * together;
    for (int o = 0; o < in_panels(out); o++)
        for (int i = 0; i < high; i++) {
            const char *number = o < out && i < in ? weight + (o * out_step + i * in_step) * bytes : zeros;
            int64_t at = (int64_t)(o / PANEL) * high * PANEL + i / together * PANEL * together +
                         o % PANEL * together + i % together;
            if (memcmp(panels + at * bytes, number, bytes))
                fail("a number lies elsewhere in the panels");
        }
}

static void pack(Linear *linear, int format)
{
    static const int sizes[] = {4, 2, 1};
    int out = linear->out, in = linear->in, bytes = sizes[format], together = format == 2 ? 2 : 1;
    int gap = any(1, 3), by_rows = any(0, 1), n_threads = any(1, 4);
    int64_t out_step = by_rows ? (int64_t)in * gap : gap, in_step = by_rows ? gap : (int64_t)out * gap;
    size_t n = (out - 1) * out_step + (in - 1) * in_step + 1, high = (in + together - 1) / together * together;
    char *weight = keep(n * bytes), *panels = keep(in_panels(out) * high * bytes);
    for (size_t i = 0; i < n; i++) {
        float value = number();
        uint32_t bits;
        memcpy(&bits, &value, 4);
        if (format == 0)
            memcpy(weight + 4 * i, &value, 4);
        else if (format == 1)
            memcpy(weight + 2 * i, (char *)&bits + 2, 2);
        else
            weight[i] = any(-127, 127);
    }
    if (format == 0)
        pack_float32((float *)panels, (float *)weight, out_step, in_step, out, in, n_threads);
    else if (format == 1)
        pack_bfloat16((uint16_t *)panels, (uint16_t *)weight, out_step, in_step, out, in, n_threads);
    else
        pack_int8((int8_t *)panels, (int8_t *)weight, out_step, in_step, out, in, n_threads);
    check_panels(panels, weight, out_step, in_step, out, in, bytes, together);
    linear->panels = panels;
}

static Linear linear(int out, int in, int format)
{
    Linear made = {.out = out, .in = in, .format = format, .rounding = format};
    pack(&made, format);
    if (format == 2) {
        float *scale = row(out);
        for (int i = 0; i < out; i++)
            scale[i] = fabsf(scale[i]) / 100;
        made.scale = scale;
    }
    made.bias = any(0, 1) ? row(out) : 0;
    if (format < 2)
        made.rounding = any(0, 1) ? 0 : format; /* a float32 layer may be kept in bfloat16 */
    return made;
}

static Embedding embedding(int n, int d, int format)
{
    Linear made = {.out = n, .in = d, .format = format};
    pack(&made, format);
    return (Embedding){made.panels, format};
}

static LayerNorm norm(int d)
{
    return (LayerNorm){row(d), row(d), 1e-5f};
}

/* A model, of a shape that no vector needs to divide */

static int a_size(void)
{
    static const int odd[] = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 96, 127};
    return any(0, 2) ? odd[any(0, 15)] : any(1, 130);
}

static int context_length;

static GPTModel *a_model(void)
{
    GPTModel *model = keep(sizeof *model);
    int n_heads = any(1, 4), head_dim = any(0, 3) ? any(1, 24) : any(25, 70), d = n_heads * head_dim;
    int format = any(0, 2), n_layers = any(1, 3), inner = a_size(), vocab_size = a_size();
    context_length = any(0, 3) ? any(1, 70) : 1;
    TransformerBlock *blocks = keep(n_layers * sizeof *blocks);
    for (int layer = 0; layer < n_layers; layer++)
        blocks[layer] = (TransformerBlock){
            .norm1 = norm(d), .norm2 = norm(d),
            .W_qkv = linear(3 * d, d, format), .out_proj = linear(d, d, format),
            .widen = linear(inner, d, format), .narrow = linear(d, inner, format),
            .score_divisor = any(0, 1) ? sqrtf(head_dim) : 1,
        };
    *model = (GPTModel){
        .tok_emb = embedding(vocab_size, d, any(0, 1)), .pos_emb = embedding(context_length, d, any(0, 1)),
        .blocks = blocks,
        .final_norm = norm(d), .out_head = linear(vocab_size, d, format),
        .n_layers = n_layers, .n_heads = n_heads, .emb_dim = d, .inner_dim = inner, .vocab_size = vocab_size,
        .activation = any(0, 2), .cache_is_bfloat16 = format != 0,
    };
    return model;
}

static Cache a_cache(const GPTModel *model, int n_tokens)
{
    int capacity = in_panels(n_tokens), head_dim = model->emb_dim / model->n_heads;
    size_t bytes = (size_t)model->n_layers * model->n_heads * capacity * (model->cache_is_bfloat16 ? 2 : 4);
    return (Cache){keep(bytes * head_dim), keep(bytes * in_panels(head_dim)), capacity};
}

/* Texts */

#define MOST_TEXTS 6
#define MOST_TOKENS 70

typedef struct {
    int n;
    int64_t *ids;
    float *hidden, *logits; /* as the first reading found them */
    Cache cache;
    int n_read;
} Text;

static void read(const GPTModel *model, const Span *spans, int n_spans, const int64_t *ids, float *hidden,
                 float *logits)
{
    int n_threads = any(1, 4);
    void *room = keep_aligned(room_for_rows(model, spans, n_spans, n_threads));
    read_rows(model, spans, n_spans, ids, hidden, logits, room, n_threads);
}

static Text a_text(const GPTModel *model)
{
    Text text = {.n = any(1, context_length)};
    int d = model->emb_dim;
    text.ids = keep(text.n * sizeof *text.ids);
    for (int i = 0; i < text.n; i++)
        text.ids[i] = any(0, model->vocab_size - 1);
    text.hidden = keep((size_t)text.n * d * sizeof(float));
    text.logits = keep(in_panels(model->vocab_size) * sizeof(float));
    Span span = {a_cache(model, text.n), 0, text.n, 1};
    read(model, &span, 1, text.ids, text.hidden, text.logits);
    text.cache = a_cache(model, text.n);
    for (int i = 0; i < text.n * d; i++)
        if (!isfinite(text.hidden[i]))
            fail("a number is not finite");
    return text;
}

/* One pass over pieces of several texts: what each has left, or less. */
static int read_together(const GPTModel *model, Text *texts, int n_texts)
{
    Span spans[MOST_TEXTS];
    Text *whose[MOST_TEXTS];
    int n_spans = 0, n_rows = 0, n_logits = 0, d = model->emb_dim, width = in_panels(model->vocab_size);
    int64_t ids[MOST_TEXTS * MOST_TOKENS];
    for (int i = 0; i < n_texts; i++) {
        Text *text = &texts[i];
        int left = text->n - text->n_read;
        if (!left || any(0, 3) == 0)
            continue;
        int n = any(0, 1) ? any(1, left) : left;
        memcpy(ids + n_rows, text->ids + text->n_read, n * sizeof *ids);
        spans[n_spans] = (Span){text->cache, text->n_read, n, n == left};
        whose[n_spans++] = text;
        n_rows += n, n_logits += n == left;
    }
    if (!n_spans)
        return 0;
    float *hidden = keep((size_t)n_rows * d * sizeof *hidden), *logits = keep((size_t)n_logits * width * sizeof *logits);
    int64_t *exactly = keep(n_rows * sizeof *exactly);
    memcpy(exactly, ids, n_rows * sizeof *exactly);
    read(model, spans, n_spans, exactly, hidden, logits);
    for (int i = 0; i < n_spans; i++) {
        size_t bytes = (size_t)spans[i].n_rows * d * sizeof *hidden;
        if (memcmp(hidden, whose[i]->hidden + (size_t)spans[i].position * d, bytes))
            fail("a vector differs when it is read in company or in pieces");
        hidden += (size_t)spans[i].n_rows * d;
        if (spans[i].wants_logits && memcmp(logits, whose[i]->logits, model->vocab_size * sizeof *logits))
            fail("logits differ when they are read in company or in pieces");
        logits += spans[i].wants_logits ? width : 0;
        whose[i]->n_read += spans[i].n_rows;
    }
    return n_rows;
}

static void read_texts(void)
{
    const GPTModel *model = a_model();
    Text texts[MOST_TEXTS];
    int n_texts = any(1, MOST_TEXTS), left = 0;
    for (int i = 0; i < n_texts; i++) {
        texts[i] = a_text(model);
        left += texts[i].n;
    }
    while (left > 0)
        left -= read_together(model, texts, n_texts);
}

/* Products of many rows: each the same bits as alone */

static void multiply_rows(void)
{
    Linear layer = linear(a_size(), any(0, 5) ? a_size() : any(1020, 1030), any(0, 2));
    int n = any(1, 40), width = in_panels(layer.out);
    float *x = numbers(n * layer.in), *y = keep((size_t)n * width * sizeof *y), *alone = keep(width * sizeof *alone);
    multiply(&layer, x, n, y, keep_aligned(room_to_multiply(&layer, n)), any(1, 4));
    for (int i = 0; i < n; i++) {
        multiply(&layer, x + (size_t)i * layer.in, 1, alone, keep_aligned(room_to_multiply(&layer, 1)), any(1, 4));
        if (memcmp(alone, y + (size_t)i * width, width * sizeof *alone))
            fail("a row differs with others beside it");
    }
}

/* Logits: against the definitions */

static void ask_logits(void)
{
    int n = a_size(), k = any(1, n), id = any(0, n - 1), level = any(0, 1), count = 0, place = 0;
    float *logits = numbers(n), *largest = keep(k * sizeof *largest);
    for (int i = 0; i < n && level; i++)
        logits[i] = any(0, 3); /* many that are level */
    int64_t *ids = keep(n * sizeof *ids);
    int found = top_k(logits, n, k, largest, ids);
    for (int i = 0; i < n; i++) {
        int larger = 0;
        for (int j = 0; j < n; j++)
            larger += logits[j] > logits[i];
        count += larger < k;
        if (larger < k && (place >= found || ids[place++] != i))
            fail("a logit is missing among the largest");
        if (i == id) {
            for (int j = 0; j < i; j++)
                larger += logits[j] == logits[i];
            if (before(logits, n, id) != larger)
                fail("a rank is wrong");
        }
    }
    if (count != found)
        fail("too many are the largest");
    double sums[3], total = 0, *scores = keep(n * sizeof *scores), *probabilities = keep(n * sizeof *probabilities);
    for (int i = 0; i < n; i++)
        scores[i] = logits[i];
    softmax_sums(logits, n, sums);
    softmax(scores, n, 0.7, probabilities);
    for (int i = 0; i < n; i++)
        total += probabilities[i];
    if (fabs(total - 1) > 1e-12 || !(sums[1] >= 1))
        fail("probabilities do not sum to 1");
    if (!all_finite(logits, n))
        fail("finite logits pass for others");
    logits[id] = any(0, 1) ? INFINITY : NAN;
    if (all_finite(logits, n))
        fail("a logit that is not finite is not found");
    softmax_sums(logits, n, sums);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], 0, 10) : 1;
    int count = argc > 2 ? atoi(argv[2]) : 100;
    for (int i = 0; i < count; i++) {
        read_texts();
        multiply_rows();
        ask_logits();
        let_go();
    }
    printf("%d shapes\n", count);
    return 0;
}
