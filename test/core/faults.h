/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  One call of the library, again and again, with a host that fails at each
 *	  place in turn: no memory, no stack, an interrupt that jumps away.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_TEST_FAULTS_H
#define CEDAR_TEST_FAULTS_H

#include "unit.h"

/* The call; what it gives is of no interest, but its code is always the same. */
typedef CedarCode (*FaultRun) (const void *what, CedarArena *arena, CedarError *err);

/*
 * Each is a number of checks; name is for their messages.  The number of times
 * that the host failed is returned.
 */
extern long faults_memory(const char *name, FaultRun run, const void *what);
extern long faults_stack(const char *name, FaultRun run, const void *what);
extern long faults_interrupts(const char *name, FaultRun run, const void *what);

#endif							/* CEDAR_TEST_FAULTS_H */
