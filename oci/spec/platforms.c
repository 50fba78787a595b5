/* The sections of config.json for other platforms (runtime-spec config-windows.md,
 * config-solaris.md, config-vm.md, config-zos.md, config-freebsd.md). Nothing here uses them, but
 * one configuration may be made for several platforms, and a mistake in it is told wherever it is
 * read. So there is no structure for each: all keys of a kind share a place, which is read into and
 * thrown away. */
#include "oci/spec/spec.h"

struct place {
	char *text;
	bool flag;
	int choice;
	const uint64_t *u64;
	const uint32_t *u32;
	const uint16_t *u16;
	const uint8_t *u8;
	char **list;
	uint32_t *numbers;
	size_t numbers_len;
	struct place *object, *objects;
	size_t objects_len;
};

#define TEXT(key) JF(place, text, key, J_STR, 0)
#define NEEDED(key) JF(place, text, key, J_STR, J_REQUIRED)
#define FLAG(key) JF(place, flag, key, J_BOOL, 0)
#define U64(key) JF(place, u64, key, J_PU64, 0)
#define U32(key) JF(place, u32, key, J_PU32, 0)
#define U16(key) JF(place, u16, key, J_PU16, 0)
#define LIST(key) JF(place, list, key, J_STRS, 0)
#define ONE_OF(key, names) JF_SUB(place, choice, key, J_ENUM, 0, names)
#define OBJECT(key, fields) JF_SUB(place, object, key, J_OBJ, 0, &fields)
#define OBJECTS(key, fields) JF_L(place, objects, key, J_ARR, 0, &fields)
#define FIELDS(name, ...)                                                                  \
	static const struct json_field name##_fields[] = { __VA_ARGS__, { .key = NULL } }; \
	static JSON_TYPE(name, place, name##_fields)

/* --- freebsd ---------------------------------------------------------------------------------- */

static const struct json_enum sharing[] = {
	{ "new", 1 }, { "inherit", 2 }, { "disable", 3 }, { NULL, 0 }
};
static const struct json_enum sharing_no_disable[] = { { "new", 1 },
						       { "inherit", 2 },
						       { NULL, 0 } };
FIELDS(freebsd_device, TEXT("path"), U32("mode"));
FIELDS(jail_allow, FLAG("setHostname"), FLAG("rawSockets"), FLAG("chflags"), LIST("mount"),
       FLAG("quotas"), FLAG("socketAf"), FLAG("mlock"), FLAG("reservedPorts"), FLAG("suser"));
FIELDS(jail, TEXT("parent"), ONE_OF("host", sharing_no_disable), ONE_OF("ip4", sharing),
       LIST("ip4Addr"), ONE_OF("ip6", sharing), LIST("ip6Addr"), ONE_OF("vnet", sharing_no_disable),
       TEXT("interface"), LIST("vnetInterfaces"), ONE_OF("sysvmsg", sharing),
       ONE_OF("sysvsem", sharing), ONE_OF("sysvshm", sharing),
       JF(place, u8, "enforceStatfs", J_PU8, 0), OBJECT("allow", jail_allow));
FIELDS(freebsd, OBJECTS("devices", freebsd_device), OBJECT("jail", jail));

/* --- solaris ---------------------------------------------------------------------------------- */

FIELDS(anet, TEXT("linkname"), TEXT("lowerLink"), TEXT("allowedAddress"),
       TEXT("configureAllowedAddress"), TEXT("defrouter"), TEXT("macAddress"),
       TEXT("linkProtection"));
FIELDS(capped_cpu, TEXT("ncpus"));
FIELDS(capped_memory, TEXT("physical"), TEXT("swap"));
FIELDS(solaris, TEXT("milestone"), TEXT("limitpriv"), TEXT("maxShmMemory"),
       OBJECT("cappedCPU", capped_cpu), OBJECT("cappedMemory", capped_memory),
       OBJECTS("anet", anet));

/* --- vm --------------------------------------------------------------------------------------- */

static const struct json_enum image_formats[] = { { "raw", 1 },	 { "qcow2", 2 }, { "vdi", 3 },
						  { "vmdk", 4 }, { "vhd", 5 },	 { NULL, 0 } };
FIELDS(hypervisor, NEEDED("path"), LIST("parameters"));
FIELDS(kernel, NEEDED("path"), LIST("parameters"), TEXT("initrd"));
FIELDS(vm_image, NEEDED("path"),
       JF_SUB(place, choice, "format", J_ENUM, J_REQUIRED, image_formats));
FIELDS(io_memory, U64("firstGFN"), JF(place, u64, "firstMFN", J_PU64, J_REQUIRED),
       JF(place, u64, "nrMFNs", J_PU64, J_REQUIRED));
FIELDS(hw_config, TEXT("deviceTree"), U32("vcpus"), U64("memory"), LIST("dtdevs"),
       OBJECTS("iomems", io_memory), JF_L(place, numbers, "irqs", J_U32S, 0, NULL));
FIELDS(vm, OBJECT("hypervisor", hypervisor),
       JF_SUB(place, object, "kernel", J_OBJ, J_REQUIRED, &kernel), OBJECT("image", vm_image),
       OBJECT("hwConfig", hw_config));

/* --- windows ---------------------------------------------------------------------------------- */

static const struct json_enum id_types[] = { { "class", 1 }, { NULL, 0 } };
static const struct json_field any_fields[] = { { .key = NULL } };
static JSON_TYPE(any, place, any_fields);
FIELDS(windows_device, NEEDED("id"), JF_SUB(place, choice, "idType", J_ENUM, J_REQUIRED, id_types));
FIELDS(windows_memory, U64("limit"));
FIELDS(cpu_affinity, U64("mask"), U32("group"));
FIELDS(windows_cpu, U64("count"), U16("shares"), U16("maximum"), OBJECT("affinity", cpu_affinity));
FIELDS(storage, U64("iops"), U64("bps"), U64("sandboxSize"));
FIELDS(windows_resources, OBJECT("memory", windows_memory), OBJECT("cpu", windows_cpu),
       OBJECT("storage", storage));
FIELDS(windows_network, LIST("endpointList"), FLAG("allowUnqualifiedDNSQuery"),
       LIST("DNSSearchList"), TEXT("networkSharedContainerName"), TEXT("networkNamespace"));
FIELDS(hyperv, TEXT("utilityVMPath"));
FIELDS(windows, JF(place, list, "layerFolders", J_STRS, J_REQUIRED),
       OBJECTS("devices", windows_device), OBJECT("resources", windows_resources),
       OBJECT("network", windows_network), OBJECT("credentialSpec", any), FLAG("servicing"),
       FLAG("ignoreFlushesDuringBoot"), OBJECT("hyperv", hyperv));

/* --- zos -------------------------------------------------------------------------------------- */

static const struct json_enum zos_namespaces[] = {
	{ "mount", 1 }, { "pid", 2 }, { "uts", 3 }, { "ipc", 4 }, { NULL, 0 }
};
FIELDS(zos_namespace, JF_SUB(place, choice, "type", J_ENUM, J_REQUIRED, zos_namespaces),
       TEXT("path"));
FIELDS(zos, OBJECTS("namespaces", zos_namespace));

int oci_platforms_check(struct arena *a, const struct oci_spec *s, struct error *e)
{
	const struct {
		const char *name;
		const struct json_value *section;
		const struct json_type *type;
	} platforms[] = {
		{ "windows", s->windows, &windows },
		{ "solaris", s->solaris, &solaris },
		{ "vm", s->vm, &vm },
		{ "zos", s->zos, &zos },
		{ "freebsd", s->freebsd, &freebsd },
	};

	for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++)
		if (platforms[i].section &&
		    json_decode(a, platforms[i].section, platforms[i].type,
				ARENA_NEW(a, struct place), platforms[i].name, e) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++)
		if (platforms[i].section && !s->linux_)
			return err_msg(e, "%s: this configuration is not for Linux",
				       platforms[i].name);
	return 0;
}
