/*-------------------------------------------------------------------------
 *
 * policy_history.h
 *	  What a policy set was before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_HISTORY_H
#define AUTHZ_POLICY_HISTORY_H

#include "policy_store.h"

/*
 * Before a row of the store is written: keeps what it was, and gives the row
 * to write, with the version since which it holds.
 */
extern HeapTuple authz_policy_history_before_row(const TriggerData *trigdata,
												 AuthzStoreTable table);

/* Before a table of the store is truncated: keeps all of its rows. */
extern void authz_policy_history_before_truncate(const TriggerData *trigdata,
												 AuthzStoreTable table);

#endif							/* AUTHZ_POLICY_HISTORY_H */
