/* A team of threads that works through phases, each a number of pieces that anyone may take.
 *
 * A phase ends when its pieces are done, not when all threads have come by: one that the system has put aside holds
 * up nobody, unless it has begun a piece.
 */

#ifndef TEAM_H
#define TEAM_H

#include <stdint.h>

typedef struct {
    void (*work)(void *job, int argument, int piece, int thread);
    int32_t argument, n_pieces;
} Phase;

/* Works through the phases with up to n_threads threads, this one included; `thread` counts them from 0. */
void work_through(const Phase *phases, int n_phases, void *job, int n_threads);

#endif
