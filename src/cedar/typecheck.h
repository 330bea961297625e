/*-------------------------------------------------------------------------
 *
 * typecheck.h
 *	  The type checker's view of a policy, shared by validate.c, typecheck.c
 *	  and level.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_TYPECHECK_H
#define CEDAR_TYPECHECK_H

#include "internal.h"
#include "validate.h"

/*
 * An expression with fewer operators than the AST: `has a.b` is an AND of
 * `has` with one name, `is T in e` an AND, `!=`, `>`, `>=` a NOT.  The scope is
 * part of it.
 *
 * What the operands of an AND amount to depends on where its parentheses are;
 * n tells.  Those of a policy are to the right, as those of `has a.b` are.
 */
typedef enum CheckedAnd
{
	CHECKED_LEFT = 0,			/* (a && b) && c */
	CHECKED_RIGHT,				/* a && (b && c) */
	CHECKED_HAS					/* the same, of `has a.b.c` */
} CheckedAnd;

typedef struct Checked
{
	uint8_t		op;				/* CedarOp */
	uint8_t		n;				/* variable, function or CheckedAnd */
	uint32_t	number;			/* from 0, operands before their operator */
	uint32_t	hash;			/* of its structure, position left out */
	uint32_t	offset;
	uint32_t	length;
	uint32_t	count;
	struct Checked *a;
	struct Checked *b;
	struct Checked *c;
	struct Checked **list;
	const CedarStr **names;
	CedarValue	lit;
	const CedarType *type;		/* of a literal; NULL: the schema lacks it */
} Checked;

/* Equal but for positions? */
extern bool cedar_checked_equal(const Checked *a, const Checked *b);

/* What a policy is checked for; the types are of entities. */
typedef struct RequestEnv
{
	const CedarActionType *action;
	CedarType	vars[3];		/* principal, action, resource */
	CedarType	slots[3];		/* of ?principal and ?resource; name NULL: no slot */
} RequestEnv;

/*
 * Findings, none twice.  slots is a hash table of their numbers plus one, twice
 * as large as the list.
 */
typedef struct Findings
{
	CedarFinding *list;
	uint32_t   *slots;
	uint32_t	n;
	uint32_t	cap;			/* a power of two, or 0 */
	bool		full;			/* one more did not fit: make room and do it again */
	uint32_t	policy;
} Findings;

/* Add a finding unless it is there; the hint is empty.  NULL when it is not new. */
extern CedarFinding *cedar_found(Findings *findings, CedarFindingCode code,
								 size_t offset, size_t length,
								 const char *fmt,...) CEDAR_PRINTF(5, 6);
extern void cedar_found_hint(CedarFinding *finding, const char *fmt,...) CEDAR_PRINTF(2, 3);

typedef struct TypeCheck
{
	CedarArena *arena;
	const CedarSchema *schema;
	const RequestEnv *env;
	Findings   *findings;
	const CedarType **types;	/* by number, of this environment; NULL: none */
	CedarError *err;
} TypeCheck;

/* The outcome for one environment. */
typedef enum TypeOutcome
{
	TYPE_APPLIES,				/* it may be true */
	TYPE_NEVER,					/* it is false for each such request */
	TYPE_FAILED					/* it does not type-check */
} TypeOutcome;

extern CedarCode cedar_typecheck(TypeCheck *t, const Checked *condition, TypeOutcome *outcome);

/* Find dereferences deeper than a level, by the types of cedar_typecheck. */
extern CedarCode cedar_level_check(TypeCheck *t, const Checked *condition, uint32_t level);

/* The attribute of a record or entity type; NULL when there is none. */
extern const CedarAttrType *cedar_attribute_of(const CedarSchema *schema, const CedarType *type,
											   const CedarStr *name);

/* A type for messages; gives buf. */
extern const char *cedar_type_name(const CedarType *type, char *buf, size_t size);

extern const CedarType cedar_type_bool;

#endif							/* CEDAR_TYPECHECK_H */
