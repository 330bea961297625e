/*-------------------------------------------------------------------------
 *
 * entity_plan.h
 *	  Planning and running queries on the tables that entities are mapped to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_ENTITY_PLAN_H
#define AUTHZ_ENTITY_PLAN_H

/*
 * From now on the query of this text is planned with the rights of the owner of
 * its tables, whoever runs it; NULL: none is.  Gives what was said before, which
 * the caller says again when the query has run, after an error too.
 */
extern const char *authz_plan_as_owner(const char *query);

/*
 * Names mean what they mean in pg_catalog, until the level is unpinned; then no
 * parameter is as code that ran meanwhile has set it.
 */
extern int	authz_settings_pin(void);
extern void authz_settings_unpin(int level);

extern void authz_plan_init(void);

#endif							/* AUTHZ_ENTITY_PLAN_H */
