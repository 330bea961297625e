# authz: a PostgreSQL extension, built the PGXS way.
#
#   make                    build (WERROR=1 makes warnings errors)
#   make install            install into the server of $(PG_CONFIG)
#   make installcheck       test against a running server
#   make demo, make check   all of it, on a cluster of their own

EXTENSION = authz
EXTVERSION = 0.1.0

MODULE_big = authz
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c) $(wildcard src/cedar/*.c) $(wildcard src/jose/*.c) $(wildcard src/password/*.c)))
SHLIB_LINK = -lcrypto -lcrypt

# The install script is these parts, in this order.
SQL_PARTS = prolog entity entity_map cedar policy check policy_apply policy_history filter token protect identity identity_import session second_factor http http_session migration stats audit audit_partition maintenance restore epilog
SQL_FILES = $(patsubst %,sql/%.sql,$(SQL_PARTS))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA = data/common_passwords.bin

REGRESS = cedar entity policy policy_link policy_layers check check_batch check_explain token
REGRESS += token_sign token_key token_issuer token_cache
REGRESS += identity identity_argon2 identity_import session second_factor
REGRESS += stats audit audit_partition audit_personal audit_user maintenance
REGRESS += policy_schema policy_apply policy_history
REGRESS += filter protect migration
REGRESS += entity_map entity_cache entity_scan entity_kept
# pg_regress looks for tests in its output folder first, where our sql/ would be.
REGRESS_OPTS = --inputdir=test --outputdir=test --load-extension=authz

ISOLATION = policy_commit policy_rollback policy_savepoint policy_levels \
	policy_statement policy_prepared policy_writers policy_links entity_snapshot \
	extension_recreate gateway_register
ISOLATION += signing_key_change
ISOLATION += policy_schema
ISOLATION += audit_move
ISOLATION += entity_map entity_serializable entity_kept
ISOLATION += audit_month audit_create
ISOLATION += user_stats protect_plan
ISOLATION += identity_reset identity_race users_follow
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=authz

EXTRA_CLEAN = test/results test/regression.diffs test/regression.out \
	output_iso tmp_check

PG_CFLAGS = -std=gnu11 -fvisibility=hidden -Wextra -Wno-unused-parameter \
	-Wno-sign-compare -Wno-missing-field-initializers \
	-Wno-declaration-after-statement
# libsodium has the faster Argon2id; without it (WITH_SODIUM=no leaves it out)
# OpenSSL 3.2 has one, and passwords use scrypt where there is none.
ifeq (yes 0,$(or $(WITH_SODIUM),yes) $(shell pkg-config --exists libsodium 2>/dev/null; echo $$?))
PG_CPPFLAGS += -DUSE_LIBSODIUM $(shell pkg-config --cflags libsodium)
SHLIB_LINK += $(shell pkg-config --libs libsodium)
endif

ifdef WERROR
PG_CFLAGS += -Werror
endif

# `make check` and `make demo` bring their own cluster; PGXS has a `check` of
# its own that only says no, so it stays out of the way.
ifneq (,$(filter check demo,$(MAKECMDGOALS)))
.PHONY: check demo
check demo:
	scripts/$@
else

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(DATA_built): $(SQL_FILES) Makefile
	cat $(SQL_FILES) > $@.tmp
	mv $@.tmp $@

# PGXS tracks no headers; any of them rebuilds all.
$(OBJS): $(wildcard src/*.h src/cedar/*.h src/jose/*.h src/password/*.h)

endif
