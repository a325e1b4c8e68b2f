/* run_test.h: what a run that is a test (spec.test) reaches of the component that it tests.
 * Owner: as said. Thread: the platform's. */
#ifndef RENDER_RUN_TEST_H
#define RENDER_RUN_TEST_H

#include "base/arena.h"
#include "render/platform.h"

/* On the pods of a test: the component that it tests, whose network policy lets them in. */
#define RUN_TESTS_LABEL "choreo.dev/tests"

/* Templates' run.test, new: {name, environment, releaseName, endpoints: {NAME: {host, port,
 * basePath, type, url}}}. Its texts are empty of a run that is no test; endpoints are the tested
 * release's, none while it is not there; url is "http://host:port/path", empty where HTTP is not
 * spoken. */
json_t *run_test_seen(const struct platform *p, const json_t *run, struct arena *arena);

/* A NetworkPolicy, new, that lets the run's pods (its objects are called name) out to what it
 * tests; NULL: nothing is to be let out. */
json_t *run_test_policy(const struct platform *p, const json_t *run, struct slice name,
                        struct arena *arena);

/* The component whose tests the run's pods are; empty: none's. */
struct slice run_test_of(const json_t *run);

#endif
