/* heap.h: how the servers' heap behaves.
 *
 * choreod and choreo-plane live off small trees that are made and thrown away: with glibc's heap
 * a third of their time goes into it, so they are linked with jemalloc (HACKING.md says what was
 * measured). heap.c sets jemalloc up for a server that is to be small while it is idle. Programs
 * without jemalloc (tests, sanitizers, tools) use the C library's heap and behave the same.
 * Thread: any. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

/* Gives memory that is free to the operating system: after a burst, never in one. */
void heap_trim(void);

#endif
