/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  What identifies a statement, and what is remembered for one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_STATEMENT_H
#define AUTHZ_STATEMENT_H

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "lib/ilist.h"

struct AuthzPolicyPin;			/* policy.c */
struct AuthzEntityMemo;			/* entity.c */

/*
 * A statement that has asked for a decision.  Valid until the next call of
 * authz_statement or the end of the (sub)transaction.
 */
typedef struct AuthzStatement
{
	dlist_node	node;

	/* key: the snapshot's contents */
	TransactionId xmin;
	TransactionId xmax;
	TransactionId *xip;
	uint32		xcnt;
	int32		subxcnt;
	TransactionId *subxip;
	bool		suboverflowed;
	bool		recovery;
	CommandId	curcid;

	/* key: under REPEATABLE READ and SERIALIZABLE only */
	TimestampTz started;
	int			location;

	SubTransactionId subid;		/* where it was first seen */
	bool		again;			/* may have asked before and been dropped */
	dlist_head	holds;			/* open portals whose query it is */

	struct AuthzPolicyPin *policies;	/* owned by policy.c */
	struct AuthzEntityMemo *memo;	/* owned by entity.c */
} AuthzStatement;

/* The statement of the active snapshot. */
extern AuthzStatement *authz_statement(void);

/*
 * Call fn for each statement, those that an open portal holds last, otherwise
 * the least recently used first.
 */
extern void authz_statement_walk(void (*fn) (AuthzStatement *statement, void *arg),
								 void *arg);

/*
 * Commands that are writing policies or entities just now, innermost last.
 * BEFORE STATEMENT triggers begin one, AFTER STATEMENT triggers end it; a
 * subtransaction that aborts takes its own with it.
 */
typedef struct AuthzWrite
{
	slist_node	node;
	Oid			relid;
	SubTransactionId subid;
	List	   *sets;			/* AuthzWriteSet *: policy sets */
	void	   *work;			/* entity.c's; NULL: none */
} AuthzWrite;

typedef enum AuthzWriteOp
{
	AUTHZ_WRITE_INSERT,
	AUTHZ_WRITE_UPDATE,
	AUTHZ_WRITE_DELETE
} AuthzWriteOp;

#define AUTHZ_WRITE_OPS (AUTHZ_WRITE_DELETE + 1)

/* Rows that a command wrote, for the audit record. */
typedef struct AuthzWriteRows
{
	int64		n;
	List	   *ids;			/* char *: of the first of them */
} AuthzWriteRows;

typedef struct AuthzWriteSet
{
	bool		changed;		/* a row of it was written */
	bool		was_empty;		/* it is known to have had none before */
	int64		next;			/* the version that the command makes; 0: not asked */
	List	   *ids;			/* char *: of the policies written, some twice */
	AuthzWriteRows rows[AUTHZ_WRITE_OPS];
	char		name[FLEXIBLE_ARRAY_MEMBER];
} AuthzWriteSet;

extern void authz_write_begin(Oid relid);

/* The innermost write of this table, or NULL: no statement triggers fire. */
extern AuthzWrite *authz_write_current(Oid relid);

/* The one around it of the same table, or NULL. */
extern AuthzWrite *authz_write_outer(AuthzWrite *write);

/* The policy set in it; new ones, not *found, are all false. */
extern AuthzWriteSet *authz_write_set(AuthzWrite *write, const char *name,
									  bool *found);

/* Forget the innermost write of this table. */
extern void authz_write_end(AuthzWrite *write);

extern void authz_statement_init(void);

#endif							/* AUTHZ_STATEMENT_H */
