/*-------------------------------------------------------------------------
 *
 * validate.h
 *	  Policies checked against a schema: what cannot be right is found before
 *	  it is asked.
 *
 * Strict validation as the reference does it (docs.cedarpolicy.com, "Policy
 * validation"): every policy is type-checked for every combination of action,
 * principal type and resource type that the schema allows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_VALIDATE_H
#define CEDAR_VALIDATE_H

#include "schema.h"

typedef enum CedarFindingCode
{
	/* errors */
	CEDAR_FOUND_ENTITY_TYPE = 0,	/* unknown entity type */
	CEDAR_FOUND_ACTION,			/* unknown action */
	CEDAR_FOUND_ENUM,			/* an id that the enumeration lacks */
	CEDAR_FOUND_TYPE,			/* an operand has the wrong type */
	CEDAR_FOUND_INCOMPATIBLE,	/* types that must agree do not */
	CEDAR_FOUND_ATTRIBUTE,		/* no such attribute */
	CEDAR_FOUND_OPTIONAL,		/* an optional attribute, not tested for */
	CEDAR_FOUND_TAG,			/* a tag, not tested for */
	CEDAR_FOUND_NO_TAGS,		/* the entity type has no tags */
	CEDAR_FOUND_ARITY,			/* wrong number of arguments */
	CEDAR_FOUND_ARGUMENT,		/* an extension constructor refuses its argument */
	CEDAR_FOUND_NOT_LITERAL,	/* an extension constructor without a literal */
	CEDAR_FOUND_EMPTY_SET,		/* [] has no element type */
	CEDAR_FOUND_LEVEL,			/* more dereferences than allowed */
	CEDAR_FOUND_LITERAL_DEREFERENCE,	/* with levels, only request variables may be */

	/* warnings */
	CEDAR_FOUND_APPLICATION,	/* no action applies to the scope */
	CEDAR_FOUND_IMPOSSIBLE,		/* the policy can never apply */
	CEDAR_FOUND_BIDI			/* a string with bidirectional control characters */
} CedarFindingCode;

#define CEDAR_FINDING_COUNT (CEDAR_FOUND_BIDI + 1)

typedef struct CedarFinding
{
	uint32_t	policy;			/* its number in the text */
	CedarFindingCode code;
	bool		warning;
	size_t		offset;			/* bytes in the text of the policies */
	size_t		length;
	char		message[256];
	char		hint[192];		/* advice as a full sentence, or empty */
} CedarFinding;

/* The stable name of a code: "unrecognized_entity_type", … */
extern const char *cedar_finding_name(CedarFindingCode code);

#define CEDAR_NO_LEVEL UINT32_MAX

/*
 * Check policies first .. first + n - 1 of a text.  With a level, also that
 * no policy dereferences entities deeper than that (RFC 76 of Cedar).  The
 * findings are in the order of the policies and, for one, of their positions;
 * none is repeated.
 */
extern CedarCode cedar_validate(CedarArena *arena, const CedarSchema *schema,
								const CedarAst *ast, uint32_t first, uint32_t n,
								uint32_t level,
								const CedarFinding **findings, uint32_t *n_findings,
								CedarError *err);

/*
 * Check the values of a template's slots; NULL for a slot that it has not.
 * The template itself is for cedar_validate.  Positions are the template's.
 */
extern CedarCode cedar_validate_link(CedarArena *arena, const CedarSchema *schema,
									 const CedarAst *ast, uint32_t i,
									 const CedarUid *principal, const CedarUid *resource,
									 const CedarFinding **findings, uint32_t *n_findings,
									 CedarError *err);

#endif							/* CEDAR_VALIDATE_H */
