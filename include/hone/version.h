/* Hone's version: MAJOR changes when programs must change, MINOR when something is added, PATCH
 * otherwise. Below 1.0 each MINOR counts as a MAJOR. The build reads the numbers from here. */
#ifndef HONE_VERSION_H
#define HONE_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_VERSION_MAJOR 0
#define HONE_VERSION_MINOR 1
#define HONE_VERSION_PATCH 0

#if defined(__GNUC__)
#define HONE_API __attribute__((visibility("default")))
#else
#define HONE_API
#endif

/* Of the library that runs, which may be newer than this header: "0.1.0". */
HONE_API const char *hone_version(void);

#ifdef __cplusplus
}
#endif
#endif
