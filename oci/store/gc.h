/* What of the store is still needed: removing what nothing refers to, and proving what is there. */
#ifndef MRUN_OCI_STORE_GC_H
#define MRUN_OCI_STORE_GC_H

#include "oci/store/store.h"

/* The digests of all blobs that X's entries reach. Indexes may lack children (another platform's
 * were never fetched); what is damaged is an error, unless that is allowed, since nobody can tell
 * then what it refers to. Sorted, without doubles. */
enum store_allows {
	STORE_NO_DAMAGE,
	STORE_DAMAGE,
	STORE_UNREADABLE /* errors of the system, too */
};
/* Whether E says that something is missing or not what it should be (err_msg), and not that the
 * system could not look. */
bool store_is_damage(const struct error *e);
int store_reachable(struct arena *a, const struct store *s, const struct oci_index *x,
		    enum store_allows allows, struct strlist *ret, struct error *e);
bool store_is_reachable(const struct strlist *reachable, const char *digest);

/* Takes the entries at which DROP says true out of index.json (the lock is held), then removes the
 * blobs that only these reached. *ret_freed counts their bytes. ALLOWS is for what is dropped;
 * where another image is damaged, its blobs stay, and with them those of the one that goes. */
typedef bool store_drop(void *arg, const struct oci_descriptor *d);
int store_remove(struct arena *a, struct store *s, const struct oci_index *x, store_drop *drop,
		 void *arg, enum store_allows allows, uint64_t *ret_freed, struct error *e);
/* Removes every blob that X does not reach, and leftovers of crashes. The lock is held. */
int store_sweep(struct arena *a, struct store *s, const struct oci_index *x, uint64_t *ret_freed,
		size_t *ret_blobs, struct error *e);

/* Proves each blob of the store against its name, and each reference against size and digest.
 * Problems are passed to REPORT, a line each. */
typedef void store_report(void *arg, const char *line);
struct store_fsck {
	size_t images, blobs, unreferenced, problems;
	uint64_t bytes;
};
int store_fsck(struct arena *a, struct store *s, store_report *report, void *arg,
	       struct store_fsck *ret, struct error *e);

#endif
