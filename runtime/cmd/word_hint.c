/* See word_hint.h. */
#include "runtime/cmd/word_hint.h"

#include <stddef.h>

#include "oci/base/str.h"

#define NO_REGISTRY                                                                \
	"mrun asks no registry: 'docker save IMAGE | mrun load', or 'skopeo copy " \
	"docker://IMAGE docker-archive:FILE' and 'mrun load FILE'"
#define NO_BUILD                                                                                  \
	"mrun builds nothing: 'docker build -t NAME .' (or buildah bud), then 'docker save NAME " \
	"| mrun load'"
#define NO_COPY "there is no copying: give the container a directory of the host's, with -v"
#define ONE_COMMAND "mrun has no groups of commands: "

static const struct {
	const char *word, *hint;
} words[] = {
	{ "attach", "'mrun logs -f CONTAINER' shows what it writes" },
	{ "bake", NO_BUILD },
	{ "build", NO_BUILD },
	{ "buildx", NO_BUILD },
	{ "commit",
	  "'mrun unpack IMAGE DIR' gives the files, 'mrun import' makes an image of a tar" },
	{ "compose",
	  "mrun runs one container at a time; podman-compose can have it as podman's runtime" },
	{ "container", ONE_COMMAND "mrun list, delete, exec, logs, stop and the like" },
	{ "cp", NO_COPY },
	{ "export", "'mrun save IMAGE' writes an image, 'mrun unpack IMAGE DIR' its files" },
	{ "image", ONE_COMMAND "mrun images, load, save, tag, rmi, inspect, history, prune" },
	{ "info", "'mrun doctor' says what works here, 'mrun features' what this build supports" },
	{ "login", NO_REGISTRY },
	{ "logout", NO_REGISTRY },
	{ "ls", "'mrun list' lists containers, 'mrun images' images" },
	{ "network", "mrun has no networks of its own: see --network in 'mrun help IMAGE'" },
	{ "pull", NO_REGISTRY },
	{ "push", "mrun asks no registry: 'mrun save IMAGE | docker load', or skopeo copy" },
	{ "restart", "'mrun stop CONTAINER' and start it anew: mrun [OPTIONS] IMAGE" },
	{ "rm", "'mrun delete CONTAINER' removes a container, 'mrun rmi IMAGE' an image" },
	{ "search", NO_REGISTRY },
	{ "stats", "'mrun events --stats CONTAINER'" },
	{ "system", ONE_COMMAND "mrun prune, doctor" },
	{ "top", "'mrun ps CONTAINER'" },
	{ "unpause", "'mrun resume CONTAINER'" },
	{ "version", "'mrun --version'" },
	{ "volume", "mrun has no volume store: give a directory of the host, -v ./DIR:/PATH" },
};

const char *word_hint(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(word, words[i].word))
			return words[i].hint;
	return NULL;
}
