/*-------------------------------------------------------------------------
 *
 * image_seeds.c
 *	  Writes the compiled form of policies as inputs of the image target.
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
		CedarPolicy *policies = cedar_arena_alloc(arena, (n + 1) * sizeof(CedarPolicy));
		const CedarIndex *block;
		size_t		size;

		for (uint32_t i = 0; i < n; i++)
			if (cedar_compile(arena, ast, i, &policies[i].piece, &size, &err) == CEDAR_OK &&
				size < 4096)
				write_seed(folder, number++, 'P', policies[i].piece, size);
		if (index && cedar_index_build(arena, policies, n, &block, &size, &err) == CEDAR_OK)
			write_seed(folder, number++, 'I', block, size);
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
