/* VBoxHeadless for a computer without the kernel module vboxdrv: for tests only.
 *
 * Stands in the place of the hardened stub of that name, which opens /dev/vboxdrv and then runs VBoxHeadless.so. The libraries of
 * VirtualBox 7.2 have a driverless mode, in which the guest's processor is interpreted in user space; the stub never asks for it.
 * This program
 *
 *   - initialises VirtualBox's runtime (VBoxRT.so), asks for that mode, and calls TrustedMain of VBoxHeadless.so;
 *   - looks on when a machine's configuration tree is made, and changes in it what needs the kernel:
 *       - the processor is interpreted whatever the machine's settings say;
 *       - network cards on host-only and internal networks (driver IntNet) go to a switch in user space (driver VDE), one for each
 *         network, which stand-ins/network-switch starts. NAT is in user space as it is.
 *
 * To look on, it answers the question for VMMR3GetVTable, the table of functions by which VBoxC.so uses VBoxVMM.so: in the table,
 * VMR3Create is replaced by our own, which hands on a configuration constructor of ours, which calls the real one and then corrects
 * its work. Functions are looked up by name, so that no header of VirtualBox is needed. Their declarations are in VirtualBox's
 * include/VBox/vmm/cfgm.h, vmmr3vtable.h and sup.h; a status below zero is a failure everywhere.
 *
 * VIRTUALBOX_BED_TRACE=1 says on stderr which network goes where. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARIES "/usr/lib/virtualbox"
#define NETWORKS "/run/virtualbox-bed"

/* SUPR3INIT_F_DRIVERLESS | SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED */
#define DRIVERLESS_INTERPRETED (1u << 2 | 1u << 3)

typedef struct Node Node; /* CFGMNODE: a node of a machine's configuration tree */
typedef int Constructor(void *uvm, void *vm, const void *vtable, void *user);
typedef int Create(uint32_t cpus, const void *methods, uint64_t flags, void *on_error, void *error_user, Constructor *constructor,
                   void *constructor_user, void **vm, void **uvm);
typedef uintptr_t *GetTable(void);

static void *(*next_dlsym)(void *, const char *);
static void *vmm; /* VBoxVMM.so */
static GetTable *real_table;
static Create *real_create;
static Constructor *real_constructor;

/* ---- the configuration tree */

static Node *child(Node *node, const char *path)
{
    Node *(*get)(Node *, const char *) = next_dlsym(vmm, "CFGMR3GetChild");
    return get(node, path);
}

static Node *insert_child(Node *node, const char *name)
{
    int (*insert)(Node *, const char *, Node **) = next_dlsym(vmm, "CFGMR3InsertNode");
    Node *made = NULL;
    return insert(node, name, &made) < 0 ? NULL : made;
}

static void remove_child(Node *node)
{
    void (*remove)(Node *) = next_dlsym(vmm, "CFGMR3RemoveNode");
    if (node)
        remove(node);
}

static int text(Node *node, const char *key, char *value, size_t size)
{
    int (*query)(Node *, const char *, char *, size_t) = next_dlsym(vmm, "CFGMR3QueryString");
    value[0] = '\0';
    return node && query(node, key, value, size) >= 0;
}

static void remove_value(Node *node, const char *key)
{
    int (*remove)(Node *, const char *) = next_dlsym(vmm, "CFGMR3RemoveValue");
    remove(node, key);
}

static int set_text(Node *node, const char *key, const char *value)
{
    int (*insert)(Node *, const char *, const char *) = next_dlsym(vmm, "CFGMR3InsertString");
    remove_value(node, key);
    return insert(node, key, value) >= 0;
}

static int set_number(Node *node, const char *key, uint64_t value)
{
    int (*insert)(Node *, const char *, uint64_t) = next_dlsym(vmm, "CFGMR3InsertInteger");
    remove_value(node, key);
    return insert(node, key, value) >= 0;
}

/* ---- what is changed in it */

static int interpret(Node *root)
{
    Node *execution = child(root, "EM"), *hardware = child(root, "HM");

    if (!execution)
        execution = insert_child(root, "EM");
    if (!hardware)
        hardware = insert_child(root, "HM");
    /* Debian's build has the plain interpreter only: no recompiler, no KVM. */
    return execution && hardware && set_number(execution, "IemExecutesAll", 1) && set_number(execution, "IemRecompiled", 0)
        && set_number(hardware, "FallbackToIEM", 1) && set_number(hardware, "FallbackToNEM", 0);
}

/* Has the switch of a network started, where it does not run. */
static int start_switch(const char *network)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        sigset_t none;

        /* This thread of VirtualBox lets no signal through, and the switch must be able to end by one. */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        closefrom(3);
        execl(LIBRARIES "/network-switch", "network-switch", "start", network, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* LUN is what a card is connected to: a chain of drivers. */
static int connect_to_switch(Node *lun)
{
    for (Node *driver = lun; driver; driver = child(driver, "AttachedDriver")) {
        char name[64], network[128], control[PATH_MAX];
        Node *config = child(driver, "Config");

        if (!text(driver, "Driver", name, sizeof name) || strcmp(name, "IntNet") != 0)
            continue;
        if (!text(config, "Network", network, sizeof network) || !start_switch(network))
            return 0;
        for (char *c = network; *c; c++)
            if (*c == '/')
                *c = '_';
        snprintf(control, sizeof control, NETWORKS "/%s.ctl", network);
        remove_child(config);
        config = insert_child(driver, "Config");
        if (getenv("VIRTUALBOX_BED_TRACE"))
            fprintf(stderr, "driverless: network %s is at %s\n", network, control);
        return config && set_text(driver, "Driver", "VDE") && set_text(config, "network", control);
    }
    return 1;
}

static int constructor(void *uvm, void *vm, const void *vtable, void *user)
{
    static const char *const cards[] = {"e1000", "pcnet", "virtio-net", "dp8390", "3c501", "usbnet"};
    Node *(*get_root)(void *) = next_dlsym(vmm, "CFGMR3GetRoot");
    int status = real_constructor(uvm, vm, vtable, user);
    Node *root;

    if (status < 0)
        return status;
    root = get_root(vm);
    if (!interpret(root))
        fprintf(stderr, "driverless: the machine's configuration tree is not as expected\n");
    for (size_t card = 0; card < sizeof cards / sizeof *cards; card++) {
        for (unsigned instance = 0; instance < 8; instance++) {
            char path[64];

            snprintf(path, sizeof path, "Devices/%s/%u/LUN#0", cards[card], instance);
            if (!connect_to_switch(child(root, path)))
                fprintf(stderr, "driverless: %s has no switch\n", path);
        }
    }
    return status;
}

/* ---- how we come to look on */

static int create(uint32_t cpus, const void *methods, uint64_t flags, void *on_error, void *error_user, Constructor *wanted,
                  void *constructor_user, void **vm, void **uvm)
{
    real_constructor = wanted;
    return real_create(cpus, methods, flags, on_error, error_user, wanted ? constructor : NULL, constructor_user, vm, uvm);
}

/* The table is a few hundred words, of which one is VMR3Create. */
static uintptr_t *table(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t *words = real_table();

    real_create = (Create *)next_dlsym(vmm, "VMR3Create");
    for (int i = 0; words && i < 400; i++) {
        if (words[i] == (uintptr_t)real_create) {
            mprotect((void *)((uintptr_t)&words[i] & -page), 2 * page, PROT_READ | PROT_WRITE);
            words[i] = (uintptr_t)create;
            return words;
        }
    }
    fprintf(stderr, "driverless: VMR3Create is not in VirtualBox's table of functions\n");
    return words;
}

/* VirtualBox's libraries come by here for every function that they look up. */
__attribute__((visibility("default"))) void *dlsym(void *library, const char *name)
{
    void *found;

    if (!next_dlsym)
        next_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!next_dlsym)
        next_dlsym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    found = next_dlsym(library, name);
    if (found && strcmp(name, "VMMR3GetVTable") == 0) {
        vmm = library;
        real_table = (GetTable *)found;
        return (void *)table;
    }
    return found;
}

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);

    if (!library) {
        fprintf(stderr, "driverless: %s\n", dlerror());
        exit(1);
    }
    return library;
}

int main(int argc, char **argv, char **envp)
{
    void *runtime = load(LIBRARIES "/VBoxRT.so");
    int (*initialise)(int, char ***, uint32_t) = dlsym(runtime, "RTR3InitExe");
    int (*initialise_support)(uint32_t, void **) = dlsym(runtime, "SUPR3InitEx");
    int (*trusted_main)(int, char **, char **);

    if (initialise(argc, &argv, 0) < 0 || initialise_support(DRIVERLESS_INTERPRETED, NULL) < 0) {
        fprintf(stderr, "driverless: VirtualBox's runtime does not start\n");
        return 1;
    }
    trusted_main = dlsym(load(LIBRARIES "/VBoxHeadless.so"), "TrustedMain");
    if (!trusted_main) {
        fprintf(stderr, "driverless: VBoxHeadless.so has no TrustedMain\n");
        return 1;
    }
    return trusted_main(argc, argv, envp);
}
