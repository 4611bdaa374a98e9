/* What team.h promises, tried out: `phases all|crowded|calm|fork SEED`. Includes team.c, to look into the team. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "team.c"

static void check(int is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "%s\n", what);
        _exit(1);
    }
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, 0);
}

static atomic_int n_helped; /* pieces done by others than the first thread */

/* Every piece once, every phase after the one before */

#define MOST_PHASES 12
#define MOST_PIECES 50

typedef struct {
    Phase phases[MOST_PHASES];
    int n_phases, n_threads;
    atomic_int times[MOST_PHASES][MOST_PIECES];
    int plain[MOST_PHASES][MOST_PIECES]; /* written by one piece, read by those of the next phase */
} Job;

static void work(void *given, int number, int piece, int thread)
{
    Job *job = given;
    check(thread >= 0 && thread < job->n_threads, "a thread has a number that it should not have");
    check(atomic_fetch_add(&job->times[number][piece], 1) == 0, "a piece is done twice");
    if (number > 0)
        for (int i = 0; i < job->phases[number - 1].n_pieces; i++)
            check(job->plain[number - 1][i] == 1, "a phase begins before the one before is done");
    job->plain[number][piece] = 1;
    atomic_fetch_add(&n_helped, thread > 0);
}

/* Nobody is left out, however busy the machine is. */
static void forget_the_crowd(void)
{
    pthread_mutex_lock(&team.in_use);
    team.rest_until = 0;
    pthread_mutex_unlock(&team.in_use);
}

static void one_job(unsigned *seed)
{
    forget_the_crowd();
    static _Thread_local Job job;
    memset(&job, 0, sizeof job);
    job.n_phases = rand_r(seed) % (MOST_PHASES + 1);
    job.n_threads = 1 + rand_r(seed) % 6;
    for (int i = 0; i < job.n_phases; i++)
        job.phases[i] = (Phase){work, i, rand_r(seed) % 3 ? rand_r(seed) % MOST_PIECES : 0};
    work_through(job.phases, job.n_phases, &job, job.n_threads);
    for (int i = 0; i < job.n_phases; i++)
        for (int piece = 0; piece < MOST_PIECES; piece++)
            check(atomic_load(&job.times[i][piece]) == (piece < job.phases[i].n_pieces), "a piece is not done");
}

static void *many_jobs(void *given)
{
    unsigned seed = (unsigned)(size_t)given;
    for (int i = 0; i < 200; i++)
        one_job(&seed);
    return 0;
}

/* A busy machine may give the helpers no turn during short jobs: work until one has had its turn. */
static void until_somebody_helps(unsigned seed)
{
    for (int i = 0; atomic_load(&n_helped) == 0; i++) {
        check(i < 20000, "nobody helped");
        one_job(&seed);
        sleep_ms(1);
    }
}

/* Several threads with jobs of their own at once */
static void all(size_t seed)
{
    pthread_t threads[3];
    many_jobs((void *)seed);
    for (size_t i = 0; i < 3; i++)
        check(pthread_create(&threads[i], 0, many_jobs, (void *)(seed + i + 1)) == 0, "no thread");
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], 0);
    until_somebody_helps((unsigned)seed);
}

/* Helpers that keep the first thread waiting are left out for a while */

static void slow_helper(void *job, int argument, int piece, int thread)
{
    (void)job, (void)argument, (void)piece;
    atomic_fetch_add(&n_helped, thread > 0);
    sleep_ms(thread > 0 ? 60 : 2);
}

static int helped(void)
{
    Phase phase = {slow_helper, 0, 6};
    atomic_store(&n_helped, 0);
    work_through(&phase, 1, 0, 3);
    return atomic_load(&n_helped);
}

static void crowded(void)
{
    for (int i = 0; crowded_passes() == 0; i++) {
        check(i < 300, "a crowded machine is not noticed");
        helped();
    }
    check(helped() == 0, "a job on a crowded machine is shared");
    int64_t before = crowded_passes();
    for (int i = 0; crowded_passes() == before; i++) {
        check(i < 300, "helpers are never asked again");
        helped();
        sleep_ms(10);
    }
    check(before == 1, "a job done alone counts as crowded");
}

/* A short wait in a long job is no crowd: of many such jobs, not all are unlucky */

static void even_helper(void *job, int argument, int piece, int thread)
{
    (void)job, (void)argument, (void)piece;
    atomic_fetch_add(&n_helped, thread > 0);
    sleep_ms(thread > 0 ? 22 : 20);
}

static void calm(void)
{
    for (int i = 0; i < 200; i++) {
        Phase phase = {even_helper, 0, 2};
        int64_t before = crowded_passes();
        forget_the_crowd();
        atomic_store(&n_helped, 0);
        work_through(&phase, 1, 0, 2);
        if (atomic_load(&n_helped) == 1 && crowded_passes() == before)
            return;
    }
    check(0, "every job is taken for one on a crowded machine");
}

/* A forked process has its own team */

static atomic_int may_end;

static void wait_for_the_end(void *job, int argument, int piece, int thread)
{
    (void)job, (void)argument, (void)piece, (void)thread;
    while (!atomic_load(&may_end))
        sleep_ms(1);
}

static void *long_job(void *given)
{
    Phase phase = {wait_for_the_end, 0, 4};
    work_through(&phase, 1, 0, 3);
    return given;
}

static void fork_and_work(unsigned seed)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        for (int i = 0; i < 20; i++)
            one_job(&seed);
        _exit(0);
    }
    int status = 1;
    check(waitpid(child, &status, 0) == child && status == 0, "a forked process does not get its work done");
}

static void forked(unsigned seed)
{
    pthread_t thread;
    many_jobs((void *)(size_t)seed);
    fork_and_work(seed);
    check(pthread_create(&thread, 0, long_job, 0) == 0, "no thread");
    sleep_ms(50);
    fork_and_work(seed); /* while a job goes on, in the middle of its pieces */
    atomic_store(&may_end, 1);
    pthread_join(thread, 0);
    for (int i = 0; i < 20; i++)
        one_job(&seed);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "all";
    unsigned seed = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
    if (!strcmp(what, "all"))
        all(seed);
    else if (!strcmp(what, "crowded"))
        crowded();
    else if (!strcmp(what, "calm"))
        calm();
    else
        forked(seed);
    printf("%s\n", what);
    return 0;
}
