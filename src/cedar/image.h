/*-------------------------------------------------------------------------
 *
 * image.h
 *	  Images and layers of them, for the authorizer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef CEDAR_IMAGE_H
#define CEDAR_IMAGE_H

#include "internal.h"

/* The scope index over its policies. */
extern const CedarIndex *cedar_image_index(const CedarImage *image);

static inline bool
cedar_layer_is_gone(const CedarLayer *layer, uint32_t number)
{
	return layer->gone != NULL && (layer->gone[number / 32] >> number % 32 & 1) != 0;
}

/*
 * The order of the ids of policies in layers: n items, of which number gives
 * the policy; order becomes the items' places, the first id first.
 */
extern CedarCode cedar_policies_order(CedarArena *arena, const CedarPolicies *policies,
									  uint32_t n,
									  uint32_t (*number) (const void *items, uint32_t i),
									  const void *items, uint32_t **order,
									  CedarError *err);

/* Is a sound uid at this offset of a block?  verify.c */
extern bool cedar_uid_verify(const CedarArena *arena, const void *block, size_t size,
							 uint64_t offset, uint64_t *uid_size);

#endif							/* CEDAR_IMAGE_H */
