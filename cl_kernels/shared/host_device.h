/* What every header that host and device share needs: fixed types, and a proof that both see the same size. */
#ifndef SP_HOST_DEVICE_H
#define SP_HOST_DEVICE_H

#ifdef __OPENCL_C_VERSION__
#define SP_SAME_SIZE(type, bytes) typedef char type##_size_is_##bytes[sizeof(type) == (bytes) ? 1 : -1]
typedef uint sp_u32;
typedef ulong sp_u64;
typedef ushort sp_u16;
#else
#include <stdint.h>
#define SP_SAME_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " must be " #bytes " bytes")
typedef uint32_t sp_u32;
typedef uint64_t sp_u64;
typedef uint16_t sp_u16;
#endif

#endif
