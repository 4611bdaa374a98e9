/* What Python and the C files hand each other. gpt/engine/compiled.py reads these declarations from here. */

/* A weight (out, in) in panels of 32 outputs, (out / 32, in, 32); int8 numbers lie in pairs, (out / 32, in / 2, 32, 2).
 * What a last panel or pair lacks is 0. scale and bias are as long as all panels are wide.
 */
typedef struct {
    const void *panels;
    const float *scale; /* of an int8 weight, for each output */
    const float *bias;  /* or null */
    int32_t out, in;
    int32_t format;   /* enum format */
    int32_t rounding; /* enum rounding: what becomes of the inputs first */
} Linear;

/* Vectors (n, emb_dim) in panels of 32, as if they were a weight: (n / 32, emb_dim, 32). */
typedef struct {
    const void *panels;
    int32_t format; /* FLOAT32 or BFLOAT16 */
} Embedding;

typedef struct {
    const float *scale, *shift; /* as long as emb_dim in whole panels */
    float eps;
} LayerNorm;

typedef struct {
    LayerNorm norm1, norm2;
    Linear W_qkv, out_proj, widen, narrow;
    float score_divisor; /* the chapter's sqrt(head_dim) */
} TransformerBlock;

typedef struct {
    Embedding tok_emb, pos_emb; /* vocab_size vectors, and context_length */
    const TransformerBlock *blocks;
    LayerNorm final_norm;
    Linear out_head;
    int32_t n_layers, n_heads, emb_dim, inner_dim, vocab_size;
    int32_t activation;        /* enum activation */
    int32_t cache_is_bfloat16; /* else float32 */
} GPTModel;

/* Keys and values of one text, as panels: keys (n_layers, n_heads, capacity / 32, head_dim, 32), and values
 * (n_layers, n_heads, head_dim / 32, capacity, 32). capacity is a whole number of panels.
 */
typedef struct {
    void *keys, *values;
    int32_t capacity;
} Cache;

/* Tokens to read of one text: n_rows of them, the first at `position`. Logits are wanted of the last one, or not. */
typedef struct {
    Cache cache;
    int32_t position, n_rows, wants_logits;
} Span;

/* Bytes of room that `read_rows` needs. */
int64_t room_for_rows(const GPTModel *model, const Span *spans, int32_t n_spans, int32_t n_threads);

/* Reads the tokens of all spans, one after the other in token_ids. hidden: (all rows, emb_dim), what the head reads.
 * logits: (spans that want them, vocab_size in whole panels). room: aligned to 64 bytes.
 */
void read_rows(const GPTModel *model, const Span *spans, int32_t n_spans, const int64_t *token_ids, float *hidden,
               float *logits, void *room, int32_t n_threads);

/* Bytes of room that `multiply` needs. */
int64_t room_to_multiply(const Linear *linear, int32_t n_rows);

/* y (n_rows, out in whole panels) = linear(x (n_rows, in)) */
void multiply(const Linear *linear, const float *x, int32_t n_rows, float *y, void *room, int32_t n_threads);

/* Puts a weight into panels: `weight` points to output 0, input 0; a step to the next of each is so many numbers. */
void pack_float32(float *panels, const float *weight, int64_t out_step, int64_t in_step, int32_t out, int32_t in,
                  int32_t n_threads);
void pack_bfloat16(uint16_t *panels, const uint16_t *weight, int64_t out_step, int64_t in_step, int32_t out,
                   int32_t in, int32_t n_threads);
void pack_int8(int8_t *panels, const int8_t *weight, int64_t out_step, int64_t in_step, int32_t out, int32_t in,
               int32_t n_threads);

/* Of logits (n,): */

/* found (3,): the largest, the sum of e^(logit - largest), and the sum of each of these times (logit - largest). */
void softmax_sums(const float *logits, int32_t n, double *found);
/* Whether every one is a finite number. */
int32_t all_finite(const float *logits, int32_t n);
/* ids: those of the k largest and of all that are level with the k-th, in order; returns how many they are. */
int32_t top_k(const float *logits, int32_t n, int32_t k, float *largest, int64_t *ids);
/* How many come before that of token_id: the larger ones, and equal ones of a lower id. */
int32_t before(const float *logits, int32_t n, int32_t token_id);
/* probabilities (n,) of scores (n,) at a temperature above 0; they sum to 1. */
void softmax(const double *scores, int32_t n, double temperature, double *probabilities);

/* a b + c in two operations, each rounded: what a compiler that fuses them where nobody asked does otherwise. */
float times_plus(float a, float b, float c);

/* How often threads had to wait so long for each other that the next passes used one. */
int64_t crowded_passes(void);
