/* The forward pass of chapter 4 over rows of tokens, of one text or of many, and single products.
 *
 * It reads like GPTModel.forward, phase by phase; the team shares out each phase's rows, panels or heads.
 * Every row is computed from its own numbers and the keys and values before it, in an order that nothing changes.
 */

#include "product.h"
#include "team.h"

typedef struct {
    const GPTModel *model;
    const Span *spans;
    const int64_t *token_ids;
    float *hidden, *logits;
    int n_spans, n_rows, n_logits, n_threads;
    int *span_of;        /* each row's span */
    int *logit_rows;     /* the rows whose logits are wanted */
    int *blocks_before;  /* attention: blocks of rows in the spans before each one */
    int64_t d, wide;     /* numbers from row to row: emb_dim and inner_dim in whole panels */
    int64_t qkv_width;   /* the same for queries, keys and values together */
    int64_t scores_width;
    float *x, *normalized, *qkv, *context, *inner; /* one row for each token */
    char *inputs;        /* rounded for the layer that comes next */
    float *steps;
    float *scores;       /* (threads, ATTENTION_ROWS, scores_width) */
} Pass;

#define ATTENTION_ROWS TILE_ROWS

/* Where things are */

static int first_row(const Pass *pass, int span)
{
    int row = 0;
    for (int before = 0; before < span; before++)
        row += pass->spans[before].n_rows;
    return row;
}

static int64_t input_stride(int64_t width)
{
    return width + PANEL; /* room for the second of a last pair */
}

static Rows rounded_rows(const Pass *pass, const Linear *linear, int64_t width)
{
    return (Rows){pass->inputs, linear->rounding == TO_STEPS ? pass->steps : 0, input_stride(width)};
}

static void round_into(Pass *pass, int row, const float *x, const Linear *linear, int64_t width)
{
    char *to = pass->inputs + row * input_stride(width) * (int64_t)input_bytes(linear->rounding);
    pass->steps[row] = round_row(to, x, linear->in, linear->rounding);
}

static TransformerBlock block_of(const Pass *pass, int layer)
{
    return pass->model->blocks[layer];
}

/* Section 4.2. Lanes beyond d hold the mean while the variance is summed, so that they add nothing to it. */
static void normalize(float *y, const float *x, LayerNorm norm, int d)
{
    floats sums = all(0), squares = all(0);
    float lanes[LANES];
    int whole = d / LANES * LANES;
    for (int i = 0; i < whole; i += LANES)
        sums = add(sums, load(x + i));
    for (int i = 0; i < LANES; i++)
        lanes[i] = whole + i < d ? x[whole + i] : 0;
    float mean = sum_of_lanes(add(sums, load(lanes))) / d;
    for (int i = 0; i < LANES; i++)
        lanes[i] = whole + i < d ? x[whole + i] : mean;
    for (int i = 0; i <= whole; i += LANES) {
        floats apart = subtract(load(i < whole ? x + i : lanes), all(mean));
        squares = fused(apart, apart, squares);
    }
    float deviation = sqrtf(sum_of_lanes(squares) / d + norm.eps);
    for (int i = 0; i < in_panels(d); i += LANES) {
        floats normalized = divide(subtract(load(x + i), all(mean)), all(deviation));
        store(y + i, fused(normalized, load(norm.scale + i), load(norm.shift + i)));
    }
}

/* Phases: `piece` is what one thread does in one go */

/* x (d,) = one vector, or that added to x */
static void embed_one(float *x, Embedding embedding, int64_t number, int d, int then)
{
    const int64_t first = number / PANEL * d * PANEL + number % PANEL;
    for (int i = 0; i < d; i++) {
        int64_t at = first + (int64_t)i * PANEL;
        float value = embedding.format == BFLOAT16
                          ? float_of_bits((uint32_t)((const uint16_t *)embedding.panels)[at] << 16)
                          : ((const float *)embedding.panels)[at];
        x[i] = then == ADD ? x[i] + value : value;
    }
}

static void embed(void *job, int argument, int row, int thread)
{
    (void)argument, (void)thread;
    Pass *pass = job;
    const GPTModel *model = pass->model;
    const Span *span = &pass->spans[pass->span_of[row]];
    int64_t position = span->position + row - first_row(pass, pass->span_of[row]);
    float *x = pass->x + row * pass->d;
    memset(x, 0, pass->d * sizeof *x);
    embed_one(x, model->tok_emb, pass->token_ids[row], model->emb_dim, STORE);
    embed_one(x, model->pos_emb, position, model->emb_dim, ADD);
}

static void normalize_into(Pass *pass, int row, LayerNorm norm, const Linear *next)
{
    float *normalized = pass->normalized + row * pass->d;
    normalize(normalized, pass->x + row * pass->d, norm, pass->model->emb_dim);
    round_into(pass, row, normalized, next, pass->d);
}

static void norm1(void *job, int layer, int row, int thread)
{
    (void)thread;
    TransformerBlock block = block_of(job, layer);
    normalize_into(job, row, block.norm1, &block.W_qkv);
}

static void norm2(void *job, int layer, int row, int thread)
{
    (void)thread;
    TransformerBlock block = block_of(job, layer);
    normalize_into(job, row, block.norm2, &block.widen);
}

static void apply(Pass *pass, const Linear *linear, int piece, Rows rows, int n_rows, float *y, int64_t stride,
                  int then, int activation)
{
    int together = panels_in_piece(linear, pass->n_threads), first = piece * together;
    for (int panel = first; panel < min(first + together, panels_of(linear->out)); panel++)
        apply_panel(linear, panel, rows, n_rows, y, stride, then, activation);
}

static void query_key_value(void *job, int layer, int piece, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    Rows rows = rounded_rows(pass, &block.W_qkv, pass->d);
    apply(pass, &block.W_qkv, piece, rows, pass->n_rows, pass->qkv, pass->qkv_width, STORE, NO_ACTIVATION);
}

static void put(void *numbers, int64_t at, float value, int is_bfloat16)
{
    if (is_bfloat16)
        ((uint16_t *)numbers)[at] = to_bfloat16(value);
    else
        ((float *)numbers)[at] = value;
}

/* Section 3.6: a row's keys and values join those of its text. */
static void remember(void *job, int layer, int row, int thread)
{
    (void)thread;
    Pass *pass = job;
    const GPTModel *model = pass->model;
    const Span *span = &pass->spans[pass->span_of[row]];
    int64_t position = span->position + row - first_row(pass, pass->span_of[row]), capacity = span->cache.capacity;
    int d = model->emb_dim, head_dim = d / model->n_heads, value_panels = panels_of(head_dim);
    const float *qkv = pass->qkv + row * pass->qkv_width;
    for (int i = 0; i < d; i++) {
        int64_t head = (int64_t)layer * model->n_heads + i / head_dim, within = i % head_dim;
        int64_t key_panel = head * (capacity / PANEL) + position / PANEL;
        int64_t value_panel = head * value_panels + within / PANEL;
        put(span->cache.keys, (key_panel * head_dim + within) * PANEL + position % PANEL, qkv[d + i],
            model->cache_is_bfloat16);
        put(span->cache.values, (value_panel * capacity + position) * PANEL + within % PANEL, qkv[2 * d + i],
            model->cache_is_bfloat16);
    }
}

/* Scores (s,) become weights that sum to 1; those up to `room` become 0. */
static void softmax_row(float *scores, int s, int room, float divisor)
{
    float largest = -INFINITY;
    for (int j = 0; j < s; j++) {
        scores[j] /= divisor;
        largest = scores[j] > largest ? scores[j] : largest;
    }
    floats sums = all(0);
    for (int j = s; j < room; j++)
        scores[j] = -INFINITY;
    for (int j = 0; j < room; j += LANES) {
        floats power = exponential(subtract(load(scores + j), all(largest)));
        store(scores + j, power);
        sums = add(sums, power);
    }
    floats sum = all(sum_of_lanes(sums));
    for (int j = 0; j < room; j += LANES)
        store(scores + j, divide(load(scores + j), sum));
}

static const void *panel_at(const void *numbers, int64_t panel, int64_t height, int is_bfloat16)
{
    return (const char *)numbers + panel * height * PANEL * (is_bfloat16 ? 2 : 4);
}

/* Section 3.6: one head of a few rows of one text mixes the values so far by how well their keys match the query. */
static void attend_rows(Pass *pass, int layer, int head, int span_number, int first, int n_rows, float *scores)
{
    const GPTModel *model = pass->model;
    const Span *span = &pass->spans[span_number];
    int d = model->emb_dim, head_dim = d / model->n_heads, is_bfloat16 = model->cache_is_bfloat16;
    int64_t capacity = span->cache.capacity, head_number = (int64_t)layer * model->n_heads + head;
    int row = first_row(pass, span_number) + first, s = span->position + first + n_rows;
    int room = in_panels(s);
    Rows queries = {pass->qkv + row * pass->qkv_width + head * head_dim, 0, pass->qkv_width};
    for (int panel = 0; panel < room / PANEL; panel++) {
        const void *keys = panel_at(span->cache.keys, head_number * (capacity / PANEL) + panel, head_dim, is_bfloat16);
        multiply_panel(scores + panel * PANEL, pass->scores_width, queries, n_rows, keys, head_dim, is_bfloat16);
    }
    float divisor = block_of(pass, layer).score_divisor;
    for (int i = 0; i < n_rows; i++)
        softmax_row(scores + i * pass->scores_width, s - n_rows + i + 1, room, divisor);
    Rows weights = {scores, 0, pass->scores_width};
    float mixed[ATTENTION_ROWS][PANEL];
    for (int panel = 0; panel < panels_of(head_dim); panel++) {
        int width = min(PANEL, head_dim - panel * PANEL);
        int64_t number = head_number * panels_of(head_dim) + panel;
        const void *values = panel_at(span->cache.values, number, capacity, is_bfloat16);
        multiply_panel(mixed[0], PANEL, weights, n_rows, values, s, is_bfloat16);
        for (int i = 0; i < n_rows; i++)
            memcpy(pass->context + (row + i) * pass->d + head * head_dim + panel * PANEL, mixed[i],
                   width * sizeof(float));
    }
}

static int blocks_of(const Span *span)
{
    return (span->n_rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
}

static void attend(void *job, int layer, int piece, int thread)
{
    Pass *pass = job;
    int head = piece % pass->model->n_heads, block = piece / pass->model->n_heads, span = 0;
    while (span + 1 < pass->n_spans && pass->blocks_before[span + 1] <= block)
        span++;
    int first = (block - pass->blocks_before[span]) * ATTENTION_ROWS;
    int n_rows = min(ATTENTION_ROWS, pass->spans[span].n_rows - first);
    float *scores = pass->scores + thread * (int64_t)ATTENTION_ROWS * pass->scores_width;
    attend_rows(pass, layer, head, span, first, n_rows, scores);
}

static void round_context(void *job, int layer, int row, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    round_into(pass, row, pass->context + row * pass->d, &block.out_proj, pass->d);
}

static void project_context(void *job, int layer, int piece, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    Rows rows = rounded_rows(pass, &block.out_proj, pass->d);
    apply(pass, &block.out_proj, piece, rows, pass->n_rows, pass->x, pass->d, ADD, NO_ACTIVATION);
}

static void widen(void *job, int layer, int piece, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    Rows rows = rounded_rows(pass, &block.widen, pass->d);
    apply(pass, &block.widen, piece, rows, pass->n_rows, pass->inner, pass->wide, STORE, pass->model->activation);
}

static void round_inner(void *job, int layer, int row, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    round_into(pass, row, pass->inner + row * pass->wide, &block.narrow, pass->wide);
}

static void narrow(void *job, int layer, int piece, int thread)
{
    (void)thread;
    Pass *pass = job;
    TransformerBlock block = block_of(pass, layer);
    Rows rows = rounded_rows(pass, &block.narrow, pass->wide);
    apply(pass, &block.narrow, piece, rows, pass->n_rows, pass->x, pass->d, ADD, NO_ACTIVATION);
}

static void final_norm(void *job, int argument, int row, int thread)
{
    (void)argument, (void)thread;
    Pass *pass = job;
    int d = pass->model->emb_dim;
    float *normalized = pass->normalized + row * pass->d;
    normalize(normalized, pass->x + row * pass->d, pass->model->final_norm, d);
    memcpy(pass->hidden + (int64_t)row * d, normalized, d * sizeof(float));
}

static void round_for_head(void *job, int argument, int number, int thread)
{
    (void)argument, (void)thread;
    Pass *pass = job;
    const float *normalized = pass->normalized + pass->logit_rows[number] * pass->d;
    round_into(pass, number, normalized, &pass->model->out_head, pass->d);
}

static void head(void *job, int argument, int piece, int thread)
{
    (void)argument, (void)thread;
    Pass *pass = job;
    const Linear *linear = &pass->model->out_head;
    Rows rows = rounded_rows(pass, linear, pass->d);
    apply(pass, linear, piece, rows, pass->n_logits, pass->logits, in_panels(linear->out), STORE, NO_ACTIVATION);
}

/* The pass as a list of phases */

static int pieces_of(const Linear *linear, int n_threads)
{
    int together = panels_in_piece(linear, n_threads);
    return (panels_of(linear->out) + together - 1) / together;
}

static int list_block(Phase *phases, const Pass *pass, int layer)
{
    TransformerBlock block = block_of(pass, layer);
    int n_rows = pass->n_rows, n_threads = pass->n_threads, n_blocks = pass->blocks_before[pass->n_spans];
    Phase all_of_it[] = {
        {norm1, layer, n_rows},
        {query_key_value, layer, pieces_of(&block.W_qkv, n_threads)},
        {remember, layer, n_rows},
        {attend, layer, n_blocks * pass->model->n_heads},
        {round_context, layer, n_rows},
        {project_context, layer, pieces_of(&block.out_proj, n_threads)},
        {norm2, layer, n_rows},
        {widen, layer, pieces_of(&block.widen, n_threads)},
        {round_inner, layer, n_rows},
        {narrow, layer, pieces_of(&block.narrow, n_threads)},
    };
    memcpy(phases, all_of_it, sizeof all_of_it);
    return sizeof all_of_it / sizeof *all_of_it;
}

#define MOST_PHASES(n_layers) (10 * (n_layers) + 4)

static int list_phases(Phase *phases, const Pass *pass)
{
    const GPTModel *model = pass->model;
    int n = 0;
    phases[n++] = (Phase){embed, 0, pass->n_rows};
    for (int layer = 0; layer < model->n_layers; layer++)
        n += list_block(phases + n, pass, layer);
    phases[n++] = (Phase){final_norm, 0, pass->n_rows};
    if (pass->n_logits > 0) {
        phases[n++] = (Phase){round_for_head, 0, pass->n_logits};
        phases[n++] = (Phase){head, 0, pieces_of(&model->out_head, pass->n_threads)};
    }
    return n;
}

/* Room: one piece of memory, handed out from its beginning */

typedef struct {
    char *next; /* or null, while only counting */
    int64_t used;
} Room;

static void *take(Room *room, int64_t bytes)
{
    void *taken = room->next ? room->next + room->used : 0;
    room->used += (bytes + 63) / 64 * 64;
    return taken;
}

static int64_t wider(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static Phase *lay_out(Pass *pass, Room *room)
{
    const GPTModel *model = pass->model;
    int64_t n = pass->n_rows, widest, longest = 0;
    pass->d = in_panels(model->emb_dim);
    pass->wide = in_panels(model->inner_dim);
    pass->qkv_width = in_panels(3 * model->emb_dim);
    for (int i = 0; i < pass->n_spans; i++)
        longest = wider(longest, pass->spans[i].position + pass->spans[i].n_rows);
    pass->scores_width = in_panels(longest);
    widest = input_stride(wider(pass->d, pass->wide));
    pass->span_of = take(room, n * sizeof(int));
    pass->logit_rows = take(room, pass->n_spans * sizeof(int));
    pass->blocks_before = take(room, (pass->n_spans + 1) * sizeof(int));
    pass->x = take(room, n * pass->d * sizeof(float));
    pass->normalized = take(room, n * pass->d * sizeof(float));
    pass->qkv = take(room, n * pass->qkv_width * sizeof(float));
    pass->context = take(room, n * pass->d * sizeof(float));
    pass->inner = take(room, n * pass->wide * sizeof(float));
    pass->inputs = take(room, n * widest * sizeof(float));
    pass->steps = take(room, n * sizeof(float));
    pass->scores = take(room, pass->n_threads * ATTENTION_ROWS * pass->scores_width * sizeof(float));
    return take(room, MOST_PHASES(model->n_layers) * sizeof(Phase));
}

static Pass new_pass(const GPTModel *model, const Span *spans, int n_spans, int n_threads)
{
    Pass pass = {.model = model, .spans = spans, .n_spans = n_spans, .n_threads = n_threads};
    for (int i = 0; i < n_spans; i++)
        pass.n_rows += spans[i].n_rows;
    return pass;
}

int64_t room_for_rows(const GPTModel *model, const Span *spans, int32_t n_spans, int32_t n_threads)
{
    Pass pass = new_pass(model, spans, n_spans, n_threads);
    Room room = {0, 0};
    lay_out(&pass, &room);
    return room.used;
}

void read_rows(const GPTModel *model, const Span *spans, int32_t n_spans, const int64_t *token_ids, float *hidden,
               float *logits, void *room, int32_t n_threads)
{
    Pass pass = new_pass(model, spans, n_spans, n_threads);
    Phase *phases = lay_out(&pass, &(Room){room, 0});
    pass.token_ids = token_ids, pass.hidden = hidden, pass.logits = logits;
    pass.blocks_before[0] = 0;
    for (int i = 0, row = 0; i < n_spans; i++) {
        pass.blocks_before[i + 1] = pass.blocks_before[i] + blocks_of(&spans[i]);
        for (int end = row + spans[i].n_rows; row < end; row++)
            pass.span_of[row] = i;
        if (spans[i].wants_logits)
            pass.logit_rows[pass.n_logits++] = row - 1;
    }
    work_through(phases, list_phases(phases, &pass), &pass, n_threads);
}

/* A single product */

typedef struct {
    const Linear *linear;
    const float *x;
    float *y, *steps;
    char *inputs;
    int n_rows, n_threads;
} Product;

static void round_given(void *job, int argument, int row, int thread)
{
    (void)argument, (void)thread;
    Product *product = job;
    const Linear *linear = product->linear;
    char *to = product->inputs + row * input_stride(linear->in) * (int64_t)input_bytes(linear->rounding);
    product->steps[row] = round_row(to, product->x + (int64_t)row * linear->in, linear->in, linear->rounding);
}

static void apply_given(void *job, int argument, int piece, int thread)
{
    (void)argument, (void)thread;
    Product *product = job;
    const Linear *linear = product->linear;
    Rows rows = {product->inputs, linear->rounding == TO_STEPS ? product->steps : 0, input_stride(linear->in)};
    int together = panels_in_piece(linear, product->n_threads), first = piece * together;
    for (int panel = first; panel < min(first + together, panels_of(linear->out)); panel++)
        apply_panel(linear, panel, rows, product->n_rows, product->y, in_panels(linear->out), STORE, NO_ACTIVATION);
}

static void lay_out_product(Product *product, Room *room)
{
    product->steps = take(room, product->n_rows * sizeof(float));
    product->inputs = take(room, product->n_rows * input_stride(product->linear->in) * sizeof(float));
}

int64_t room_to_multiply(const Linear *linear, int32_t n_rows)
{
    Product product = {.linear = linear, .n_rows = n_rows};
    Room room = {0, 0};
    lay_out_product(&product, &room);
    return room.used;
}

void multiply(const Linear *linear, const float *x, int32_t n_rows, float *y, void *room, int32_t n_threads)
{
    Product product = {.linear = linear, .x = x, .y = y, .n_rows = n_rows, .n_threads = n_threads};
    lay_out_product(&product, &(Room){room, 0});
    Phase phases[] = {{round_given, 0, n_rows}, {apply_given, 0, pieces_of(linear, n_threads)}};
    work_through(phases, 2, &product, n_threads);
}
