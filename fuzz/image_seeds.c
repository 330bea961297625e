/*-------------------------------------------------------------------------
 *
 * image_seeds.c
 *	  Writes the compiled form of policies as inputs of the image target: each
 *	  by itself, all of one file as an image, and some with links.
 *
 *	  image_seeds FOLDER FILE...		each FILE holds the text of policies
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void *
host_alloc(void *userdata, size_t size)
{
	(void) userdata;
	return malloc(size);
}

static void
host_release(void *userdata, void *block)
{
	(void) userdata;
	free(block);
}

static void
write_seed(const char *folder, int number, char kind, const void *block, size_t size)
{
	char		path[4096];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s/%c%06d", folder, kind, number);
	f = fopen(path, "wb");
	if (f == NULL || fputc(kind, f) == EOF || fwrite(block, 1, size, f) != size || fclose(f) != 0)
	{
		perror(path);
		exit(1);
	}
}

static int	number;

/* All of them; a template is linked. */
static void
write_image(CedarArena *arena, const char *folder, CedarPolicy *policies, uint32_t n)
{
	CedarImagePlan *plan;
	const CedarUid *uid;
	CedarError	err;
	size_t		size;
	void	   *block;

	if (cedar_uid_parse(arena, "U::\"a\"", 6, &uid, &err) != CEDAR_OK)
		exit(1);
	for (uint32_t i = 0; i < n; i++)
	{
		char	   *id = cedar_arena_alloc(arena, 16);

		snprintf(id, 16, "p%06u", i);
		policies[i].id = id;
		policies[i].id_len = 7;
		if (cedar_piece_is_template(policies[i].piece))
			policies[i].principal = policies[i].resource = uid;
	}
	if (cedar_image_plan(arena, policies, n, &plan, &size, &err) != CEDAR_OK || size > 12000)
		return;
	block = cedar_arena_alloc(arena, size);
	cedar_image_write(plan, block);
	write_seed(folder, number++, 'M', block, size);
}

static void
compile_text(const char *folder, const char *text, size_t len, bool index)
{
	static const CedarHost host = {host_alloc, host_release, NULL, NULL, NULL};
	CedarArena *arena = cedar_arena_create(&host);
	CedarAst   *ast;
	CedarError	err;

	if (arena == NULL)
		exit(1);
	if (cedar_parse(arena, text, len, &ast, &err) == CEDAR_OK)
	{
		uint32_t	n = cedar_ast_count(ast);
		CedarPolicy *policies = calloc(n + 1, sizeof(CedarPolicy));
		const CedarIndex *block;
		size_t		size;

		for (uint32_t i = 0; i < n; i++)
		{
			if (cedar_compile(arena, ast, i, &policies[i].piece, &size, &err) != CEDAR_OK)
			{
				free(policies);
				cedar_arena_destroy(arena);
				return;
			}
			if (size < 4096)
				write_seed(folder, number++, 'P', policies[i].piece, size);
		}
		if (index && cedar_index_build(arena, policies, n, &block, &size, &err) == CEDAR_OK)
			write_seed(folder, number++, 'I', block, size);
		if (n > 1)
			write_image(arena, folder, policies, n);
		free(policies);
	}
	cedar_arena_destroy(arena);
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	compile_text(argv[1], fuzz_policies, strlen(fuzz_policies), true);
	for (int i = 2; i < argc; i++)
	{
		static char text[1 << 20];
		FILE	   *f = fopen(argv[i], "rb");
		size_t		len;

		if (f == NULL)
		{
			perror(argv[i]);
			return 1;
		}
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		compile_text(argv[1], text, len, false);
	}
	printf("%d compiled policies\n", number);
	return 0;
}
