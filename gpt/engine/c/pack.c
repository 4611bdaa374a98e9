/* Weights into panels: 32 outputs side by side for every input, or for every pair of inputs. */

#include "product.h"
#include "team.h"

typedef struct {
    char *panels;
    const char *weight;
    int64_t out_step, in_step;
    int out, in, bytes, together; /* bytes of a number, numbers of one output side by side */
} Packing;

/* So many inputs of all outputs before the next ones: rows of a weight then stay in the nearest cache. */
#define INPUTS 64

static void copy_number(char *to, const char *from, int bytes)
{
    if (bytes == 4)
        memcpy(to, from, 4);
    else if (bytes == 2)
        memcpy(to, from, 2);
    else
        *to = *from;
}

INLINE void pack_panel(const Packing *p, int panel, const int bytes, const int together)
{
    int in = (p->in + together - 1) / together * together, first = panel * PANEL;
    char *to = p->panels + (int64_t)panel * in * PANEL * bytes;
    int outputs = min(PANEL, p->out - first);
    if (outputs < PANEL || in > p->in)
        memset(to, 0, (int64_t)in * PANEL * bytes);
    for (int start = 0; start < p->in; start += INPUTS)
        for (int output = 0; output < outputs; output++) {
            const char *from = p->weight + (first + output) * p->out_step * bytes;
            for (int i = start; i < min(p->in, start + INPUTS); i++) {
                int64_t at = (int64_t)(i / together) * PANEL * together + output * together + i % together;
                copy_number(to + at * bytes, from + i * p->in_step * bytes, bytes);
            }
        }
}

/* The outputs of one input lie side by side already. */
static void copy_panel(const Packing *p, int panel)
{
    int first = panel * PANEL, outputs = min(PANEL, p->out - first), bytes = p->bytes;
    char *to = p->panels + (int64_t)panel * p->in * PANEL * bytes;
    const char *from = p->weight + (int64_t)first * bytes;
    for (int i = 0; i < p->in; i++, to += PANEL * bytes, from += p->in_step * bytes) {
        memcpy(to, from, outputs * bytes);
        memset(to + outputs * bytes, 0, (PANEL - outputs) * bytes);
    }
}

static void pack_piece(void *job, int argument, int panel, int thread)
{
    (void)argument, (void)thread;
    const Packing *p = job;
    if (p->out_step == 1 && p->together == 1)
        copy_panel(p, panel);
    else if (p->bytes == 4)
        pack_panel(p, panel, 4, 1);
    else if (p->bytes == 2)
        pack_panel(p, panel, 2, 1);
    else
        pack_panel(p, panel, 1, 2);
}

static void pack(Packing packing, int n_threads)
{
    Phase phase = {pack_piece, 0, panels_of(packing.out)};
    work_through(&phase, 1, &packing, n_threads);
}

void pack_float32(float *panels, const float *weight, int64_t out_step, int64_t in_step, int32_t out, int32_t in,
                  int32_t n_threads)
{
    pack((Packing){(char *)panels, (const char *)weight, out_step, in_step, out, in, 4, 1}, n_threads);
}

void pack_bfloat16(uint16_t *panels, const uint16_t *weight, int64_t out_step, int64_t in_step, int32_t out,
                   int32_t in, int32_t n_threads)
{
    pack((Packing){(char *)panels, (const char *)weight, out_step, in_step, out, in, 2, 1}, n_threads);
}

void pack_int8(int8_t *panels, const int8_t *weight, int64_t out_step, int64_t in_step, int32_t out, int32_t in,
               int32_t n_threads)
{
    pack((Packing){(char *)panels, (const char *)weight, out_step, in_step, out, in, 1, 2}, n_threads);
}
