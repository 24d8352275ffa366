/* What `hone train` says at its start that it will take, beside what its steps take. Of a long job, a few steps: with
 * Muon, whose update does on whole matrices what clipping does on single numbers, so that what is learnt of one must
 * not be taken for the other. Its batch is small, so that the update is most of a step: a plan without it, which is
 * what the same job with AdamW is planned as, must not pass for the same steps. On one thread, where planning counts
 * the process's own time, as this does of the steps: neighbours take the rest. */
#include "kit/shell.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 400000, SEEN = 24 };

/* "planned: 4 h 35 min in steps" in seconds; NAN where nothing is planned. */
static double planned_seconds(const char *text) {
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    const char *at = strstr(text, "planned: ");
    double sum = 0, n;
    char unit[8];
    int length;
    if (!at) return NAN;
    for (at += strlen("planned: "); sscanf(at, "%lf %7[a-z]%n", &n, unit, &length) == 2;
         at += length)
        for (int i = 0; i < COUNT_OF(units); i++)
            if (!strcmp(unit, units[i].name)) sum += n * units[i].seconds;
    return sum;
}

static bool within(double a, double b, double factor) {
    return a < factor * b && b < factor * a;
}

/* Trains in the background, prints the process's time of steps 3 to 3 + SEEN, and stops it; then plans the same job
 * with the other optimiser. */
static const char *const watch =
    "steps() { cat run/metrics.jsonl 2>/dev/null | wc -l; }\n"
    "wait_for() { while [ $(steps) -lt $1 ]; do kill -0 $p || exit 3; sleep 0.05; done; }\n"
    "ticks() { awk '{ print $14 + $15 }' /proc/$p/stat; }\n"
    "start() { hone train --preset 1m --text text.txt --out run --steps $STEPS --batch 2 "
    "--context 64 --optimiser $1 --precision bf16 --evaluate-every 0 --threads 1 --no-record & "
    "p=$!; }\n"
    "start muon; wait_for 3; from=$(steps); began=$(ticks)\n"
    "wait_for $((3 + SEEN)); n=$(($(steps) - from)); ended=$(ticks)\n"
    "kill -INT $p; wait $p && exit 4\n"
    "echo taken $(($ended - $began)) ticks of $(getconf CLK_TCK), $n steps\n"
    "rm -r run; start adamw; wait_for 1; kill -INT $p; wait $p && exit 5\n"
    "exit 0\n";

static void time_of_steps(test *t) {
    static char text[SHELL_TEXT_BYTES];
    double ticks, rate, n;
    const char *f = test_folder(t);
    CHECK(t, shell_put(t, "watch", watch));
    int code = shell(text,
                     "cd '%s' && export PATH='%s':$PATH && hone data synth stories -n 400 -o "
                     "text.txt && STEPS=%d SEEN=%d bash watch",
                     f, shell_build_folder(), STEPS, SEEN);
    CHECK(t, code == 0, "%d, %s", code, text);
    const char *taken = strstr(text, "taken ");
    CHECK(t, taken && sscanf(taken, "taken %lf ticks of %lf, %lf", &ticks, &rate, &n) == 3, "%s",
          text);
    double planned = planned_seconds(text) / STEPS, seconds = ticks / rate / n;
    CHECK(t, within(planned, seconds, 2), "a step planned as %g s takes %g s\n%s", planned, seconds,
          text);
    double without = planned_seconds(taken) / STEPS; /* control */
    CHECK(t, without > 0 && !within(without, seconds, 2),
          "a step planned without Muon's update as %g s would pass for %g s\n%s", without, seconds,
          text);
}

const test_case suite_train_plan[] = {{"time_of_steps", time_of_steps, .slow = true}, {0}};
