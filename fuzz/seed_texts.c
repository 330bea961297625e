/*-------------------------------------------------------------------------
 *
 * seed_texts.c
 *	  The policies, entities and request that fuzz targets put their input to.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

const char	fuzz_policies[] =
"permit(principal, action, resource) when { principal in resource || context == {} };\n"
"permit(principal in G::\"g\", action in [Action::\"v\", Action::\"w\"], resource is D);\n"
"permit(principal is U in G::\"g\", action, resource == D::\"d\");\n"
"permit(principal, action, resource) when { principal has a.b && principal.a.b == [1, \"x\", U::\"a\"] };\n"
"permit(principal, action, resource) when { context has a && context.a like \"*a*\" };\n"
"permit(principal, action, resource) when { context.n + 1 < 5 || context.n * 3 == -9 };\n"
"permit(principal, action, resource) when { context.l.contains(1) && context.l.containsAny([2, {a: 1}]) };\n"
"permit(principal, action, resource) when { resource.hasTag(\"t\") && resource.getTag(\"t\") == principal };\n"
"permit(principal, action, resource) when { context.ip.isInRange(ip(\"10.0.0.0/8\")) };\n"
"permit(principal, action, resource) when { context.d.lessThan(decimal(\"1.5\")) };\n"
"permit(principal, action, resource) when { context.t.offset(duration(\"1d\")).toDate() > datetime(\"2024-01-01\") };\n"
"forbid(principal, action, resource) when { [principal, action, resource].containsAll([U::\"a\"]) && context.x };\n"
"forbid(principal, action, resource) unless { if context has f then context.f.isEmpty() else true };\n";

const char	fuzz_entities[] =
"[{\"uid\":{\"type\":\"U\",\"id\":\"a\"},\"attrs\":{\"a\":{\"b\":[1,\"x\",{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}]}},"
"\"parents\":[{\"type\":\"G\",\"id\":\"f\"}]},"
"{\"uid\":{\"type\":\"G\",\"id\":\"f\"},\"attrs\":{},\"parents\":[{\"type\":\"G\",\"id\":\"g\"}]},"
"{\"uid\":{\"type\":\"D\",\"id\":\"d\"},\"attrs\":{},\"parents\":[],\"tags\":{\"t\":{\"__entity\":{\"type\":\"U\",\"id\":\"a\"}}}}]";

const char	fuzz_request[] =
"{\"principal\":{\"type\":\"U\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"v\"},\"resource\":{\"type\":\"D\",\"id\":\"d\"},"
"\"context\":{\"a\":\"banana\",\"n\":-3,\"l\":[1,{\"a\":1}],\"f\":[],\"x\":true,"
"\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"10.1.2.3\"}},\"d\":{\"__extn\":{\"fn\":\"decimal\",\"arg\":\"1.2\"}},"
"\"t\":{\"__extn\":{\"fn\":\"datetime\",\"arg\":\"2024-02-03\"}}}}";
