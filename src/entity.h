/*-------------------------------------------------------------------------
 *
 * entity.h
 *	  The entity store as a decision uses it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_H
#define AUTHZ_ENTITY_H

#include "cedar/cedar.h"
#include "statement.h"

typedef struct AuthzEntityReader AuthzEntityReader;

/*
 * Begin to read entities for one decision, under the active snapshot.
 * overlay, where not NULL, is merged over the store (cedar_entity_merge); what
 * is then read is not remembered, for its ancestors depend on the overlay.
 * *source serves cedar_authorize until authz_entity_end; overlay is not to be
 * used after it.
 */
extern AuthzEntityReader *authz_entity_begin(AuthzStatement *statement,
											 CedarEntities *overlay,
											 CedarEntitySource *source);
extern void authz_entity_end(AuthzEntityReader *reader);

/* For statement.c. */
extern void authz_entity_statement_end(AuthzStatement *statement);

#endif							/* AUTHZ_ENTITY_H */
