/*-------------------------------------------------------------------------
 *
 * policy_test.h
 *	  Tests of policy sets that have to hold at COMMIT.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AUTHZ_POLICY_TEST_H
#define AUTHZ_POLICY_TEST_H

/* The GUC authz.enforce_policy_tests. */
extern bool authz_enforce_policy_tests;

/* This transaction changes the set. */
extern void authz_policy_test_note(const char *set);

extern void authz_policy_test_init(void);

#endif							/* AUTHZ_POLICY_TEST_H */
