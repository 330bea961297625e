/*-------------------------------------------------------------------------
 *
 * host.h
 *	  The server as a host of the Cedar library.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_HOST_H
#define AUTHZ_HOST_H

#include "cedar/cedar.h"

/*
 * An arena whose blocks are taken from cxt and die with it.  Raises on out of
 * memory.
 */
extern CedarArena *authz_arena_create(MemoryContext cxt);

#endif							/* AUTHZ_HOST_H */
