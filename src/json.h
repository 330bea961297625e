/*-------------------------------------------------------------------------
 *
 * json.h
 *	  jsonb as Cedar values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_JSON_H
#define AUTHZ_JSON_H

#include "utils/jsonb.h"

#include "cedar/build.h"

/*
 * The record that a jsonb object is, by the rules of Cedar's JSON.  NULL when
 * there is none, or when it takes the reader of JSON texts to tell: give that
 * the text then, for it says what is wrong and where.
 */
extern const CedarRecord *authz_jsonb_record(CedarArena *arena, Jsonb *jsonb);

/* The same for any value. */
extern bool authz_jsonb_value(CedarArena *arena, Jsonb *jsonb, CedarValue *value);

/* The text of it, as the reader of JSON texts takes it; to be freed. */
extern char *authz_jsonb_text(Jsonb *jsonb);

#endif							/* AUTHZ_JSON_H */
