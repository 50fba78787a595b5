/*
 * Names of images, by docker's reference grammar ([DOMAIN[:PORT]/]PATH[:TAG][@DIGEST]), normalised
 * in this one place: "alpine", "library/alpine" and "docker.io/library/alpine" are the same name.
 * People and the store see the familiar form ("alpine:3.20").
 */
#ifndef MRUN_OCI_IMAGE_NAME_H
#define MRUN_OCI_IMAGE_NAME_H

#include <stdbool.h>

#include "oci/base/arena.h"
#include "oci/base/error.h"

struct image_name {
	const char *domain; /* "docker.io" when none was given */
	const char *path;   /* "library/alpine" */
	const char *tag;    /* NULL: none given */
	const char *digest; /* "sha256:…", NULL: none given */
};

/* Parses S; the error says what is wrong with it. */
int image_name_parse(struct arena *a, const char *s, struct image_name *ret, struct error *e);
/* The familiar form without tag and digest: "alpine", "localhost:5000/a/b". */
char *image_name_repository(struct arena *a, const struct image_name *n);
/* The familiar form with its tag, "latest" where there is none: "alpine:latest". */
char *image_name_tagged(struct arena *a, const struct image_name *n);
/* Parses S and returns the tagged familiar form; NULL when S is no name. */
char *image_name_normalise(struct arena *a, const char *s);
/* Whether S is an image id or the beginning of one: hexadecimal digits, at most 64, with or without
 * "sha256:" in front. *ret_hex, unless NULL, gets the digits. */
bool image_id_prefix(const char *s, const char **ret_hex);

#endif
