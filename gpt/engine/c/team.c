/* The team of team.h: helpers that sleep between jobs, and one ticket from which everybody takes pieces. */

#include "team.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#define MOST_HELPERS 63
#define SPINS 2000     /* looks at the ticket before a waiting thread offers its core to others, or sleeps */
#define CROWDED 0.3    /* share of a job spent waiting that shows a busy machine */
#define LEAST_REST 0.1 /* seconds with one thread after such a job, twice as long each time up to: */
#define MOST_REST 10.0

static struct {
    pthread_mutex_t in_use; /* one job at a time; who finds it taken works alone */
    pthread_mutex_t sleep;
    pthread_cond_t wake;
    int n_helpers;
    atomic_int n_wanted, n_asleep;
    const Phase *phases;
    int n_phases;
    void *job;
    /* What can be taken: the job's number (24 bits), its phase (16 bits), and how many pieces nobody has taken (24
     * bits). Whoever takes one knows that the job goes on until it is done; nobody else looks at a job.
     */
    _Atomic uint64_t ticket;
    atomic_int n_done; /* pieces of this phase */
    double rest, rest_until;
    atomic_llong n_crowded;
} team = {.in_use = PTHREAD_MUTEX_INITIALIZER, .sleep = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

#define NO_PHASE 0xffff

static uint64_t ticket_of(uint64_t job, uint64_t phase, uint64_t n_pieces)
{
    return job << 40 | phase << 24 | n_pieces;
}

static uint64_t job_of(uint64_t ticket)
{
    return ticket >> 40;
}

static int phase_of(uint64_t ticket)
{
    return ticket >> 24 & 0xffff;
}

static uint64_t look(void)
{
    return atomic_load_explicit(&team.ticket, memory_order_acquire);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

static void pause_a_moment(long spins)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (spins > SPINS)
        sched_yield();
}

/* The ticket of a job's first phase from `phase` on that has pieces; after the last one there is nothing to take. */
static uint64_t phase_from(uint64_t job, int phase)
{
    while (phase < team.n_phases && team.phases[phase].n_pieces == 0)
        phase++;
    return phase < team.n_phases ? ticket_of(job, phase, team.phases[phase].n_pieces) : ticket_of(job, NO_PHASE, 0);
}

static void do_piece(uint64_t taken, int thread)
{
    int number = phase_of(taken);
    const Phase *phase = &team.phases[number];
    int n_pieces = phase->n_pieces;
    phase->work(team.job, phase->argument, n_pieces - (int)(taken & 0xffffff), thread);
    if (atomic_fetch_add_explicit(&team.n_done, 1, memory_order_acq_rel) + 1 < n_pieces)
        return;
    atomic_store_explicit(&team.n_done, 0, memory_order_relaxed);
    atomic_store_explicit(&team.ticket, phase_from(job_of(taken), number + 1), memory_order_release);
}

/* Takes pieces until the job is over; returns the seconds spent waiting for those of others. */
static double take_part(uint64_t job, int thread)
{
    double waited = 0, since = 0;
    long spins = 0;
    for (;;) {
        uint64_t ticket = look();
        if (job_of(ticket) != job || phase_of(ticket) == NO_PHASE)
            return since > 0 ? waited + now() - since : waited;
        if (ticket & 0xffffff) {
            if (since > 0)
                waited += now() - since;
            since = 0, spins = 0;
            if (atomic_compare_exchange_weak_explicit(&team.ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                      memory_order_relaxed))
                do_piece(ticket, thread);
        } else {
            pause_a_moment(spins);
            if (spins++ == SPINS)
                since = now();
        }
    }
}

static void sleep_until_after(uint64_t job)
{
    for (int spins = 0; spins < SPINS; spins++) {
        if (job_of(look()) != job)
            return;
        pause_a_moment(0);
    }
    pthread_mutex_lock(&team.sleep);
    atomic_fetch_add(&team.n_asleep, 1);
    while (job_of(atomic_load(&team.ticket)) == job)
        pthread_cond_wait(&team.wake, &team.sleep);
    atomic_fetch_sub(&team.n_asleep, 1);
    pthread_mutex_unlock(&team.sleep);
}

/* Rounds to the nearest and keeps the smallest numbers, whatever a thread was told (torch.set_flush_denormal): with
 * other rules bits would depend on the thread that does a piece. `before` is what to give back.
 */
static void use_plain_floats(fenv_t *before)
{
    fegetenv(before);
    fesetenv(FE_DFL_ENV);
}

static void *help(void *number)
{
    fenv_t of_parent;
    use_plain_floats(&of_parent);
    int thread = (int)(intptr_t)number;
    for (;;) {
        uint64_t job = job_of(look());
        if (thread <= atomic_load(&team.n_wanted))
            take_part(job, thread);
        sleep_until_after(job);
    }
    return 0;
}

/* After a fork only this thread is there: it works alone until the team has grown again. */
static void forget_the_others(void)
{
    pthread_mutex_init(&team.in_use, 0);
    pthread_mutex_init(&team.sleep, 0);
    pthread_cond_init(&team.wake, 0);
    team.n_helpers = 0;
    atomic_store(&team.n_asleep, 0);
    atomic_store(&team.n_done, 0);
    atomic_store(&team.ticket, ticket_of(job_of(look()), NO_PHASE, 0));
}

static void grow(int n_helpers)
{
    static int watches_forks;
    if (!watches_forks)
        watches_forks = pthread_atfork(0, 0, forget_the_others) == 0;
    while (team.n_helpers < n_helpers && team.n_helpers < MOST_HELPERS) {
        pthread_t thread;
        if (pthread_create(&thread, 0, help, (void *)(intptr_t)(team.n_helpers + 1)))
            return;
        pthread_detach(thread);
        team.n_helpers++;
    }
}

static void work_alone(const Phase *phases, int n_phases, void *job)
{
    for (int number = 0; number < n_phases; number++)
        for (int piece = 0; piece < phases[number].n_pieces; piece++)
            phases[number].work(job, phases[number].argument, piece, 0);
}

/* Returns the seconds this thread waited for others. */
static double work_together(const Phase *phases, int n_phases, void *job, int n_threads)
{
    uint64_t number = (job_of(look()) + 1) & 0xffffff;
    team.phases = phases, team.n_phases = n_phases, team.job = job;
    atomic_store(&team.n_wanted, n_threads - 1);
    atomic_store(&team.ticket, phase_from(number, 0));
    if (atomic_load(&team.n_asleep) > 0) {
        pthread_mutex_lock(&team.sleep);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.sleep);
    }
    return take_part(number, 0);
}

/* Where helpers keep this thread waiting, the machine is busy with something else: the next jobs are done alone. */
static void judge(double waited, double took)
{
    if (waited < CROWDED * took) {
        team.rest = 0;
        return;
    }
    team.rest = team.rest > 0 ? 2 * team.rest : LEAST_REST;
    team.rest = team.rest < MOST_REST ? team.rest : MOST_REST;
    team.rest_until = now() + team.rest;
    atomic_fetch_add(&team.n_crowded, 1);
}

static void share_out(const Phase *phases, int n_phases, void *job, int n_threads)
{
    if (n_threads <= 1 || pthread_mutex_trylock(&team.in_use) != 0) {
        work_alone(phases, n_phases, job);
        return;
    }
    double start = now();
    grow(n_threads - 1);
    if (team.n_helpers == 0 || start < team.rest_until) {
        work_alone(phases, n_phases, job);
    } else {
        double waited = work_together(phases, n_phases, job, n_threads);
        judge(waited, now() - start);
    }
    pthread_mutex_unlock(&team.in_use);
}

void work_through(const Phase *phases, int n_phases, void *job, int n_threads)
{
    fenv_t of_caller;
    use_plain_floats(&of_caller);
    share_out(phases, n_phases, job, n_threads);
    fesetenv(&of_caller);
}

int64_t crowded_passes(void)
{
    return atomic_load(&team.n_crowded);
}
