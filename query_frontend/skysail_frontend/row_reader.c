/* Rows of numbers from JSON text to packed bytes, in one pass and without a Python object per number.

   Reads the one common form, {"input": [numbers]}, and returns None for whatever else comes, faults included: the
   decoder then reads it again and names the field. A number with more than 19 digits, or one whose power of ten is not
   in the table, is such a case too.

   Decimals become doubles, correctly rounded, as in Lemire, "Number parsing at a gigabyte per second", Software:
   Practice and Experience 51 (2021), without its fallback (Mushtak and Lemire, 2023). */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || FLT_EVAL_METHOD != 0
#error "row_reader.c needs 128-bit integers, little-endian numbers, and doubles that are computed as doubles"
#endif

#define MAX_DIGITS 19 /* so many fit into 64 bits, whatever they are */
#define MAX_EXPONENT 9999
#define KEPT_ITEMS (1 << 16)

typedef struct { uint64_t high, low; } Power;

/* 128 bits of 5^q for q from -max_power to max_power, made by decimal_powers.py. */
static Power *powers;
static Py_ssize_t max_power = -1;

/* Where numbers are put until they are counted. Guarded by the interpreter's lock. */
static uint64_t *items;
static size_t n_capacity;

static const double exact_powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
                                      1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

static inline const char *skip_space(const char *p) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
    return p;
}

static const uint32_t powers_of_10[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Appends the digits at p, eight at most, and returns how many there were. Reads eight bytes. Without a branch on the
   number of digits, which nobody can predict. */
static inline int append_digits(const char *p, uint64_t *digits) {
    uint64_t text;
    memcpy(&text, p, 8);
    uint64_t others = ((text + 0x4646464646464646) | (text - 0x3030303030303030)) & 0x8080808080808080;
    int n = others == 0 ? 8 : __builtin_ctzll(others) >> 3;
    text = n == 0 ? 0 : text << (64 - 8 * n);
    text = (text & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;
    text = (text & 0x00FF00FF00FF00FF) * 6553601 >> 16;
    text = (text & 0x0000FFFF0000FFFF) * 42949672960001 >> 32;
    *digits = *digits * powers_of_10[n] + text;
    return n;
}

/* Appends all digits at p and returns where they end. */
static inline const char *append_all_digits(const char *p, const char *end, uint64_t *digits) {
    for (int n = 8; n == 8 && end - p >= 8; p += n) n = append_digits(p, digits);
    for (; is_digit(*p); p++) *digits = *digits * 10 + (uint64_t)(*p - '0');
    return p;
}

#ifdef __SSE4_1__
#include <smmintrin.h>

/* The same, of a number of which nothing but zeros was read yet: sixteen at once, as nearly every double has. */
static inline const char *read_digits(const char *p, const char *end, uint64_t *digits) {
    static const char shifts[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15};
    if (end - p < 16 || *digits != 0) return append_all_digits(p, end, digits);
    __m128i values = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    int others = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values)) ^ 0xFFFF;
    int n = others == 0 ? 16 : __builtin_ctz((unsigned)others);
    if (n < 16) values = _mm_shuffle_epi8(values, _mm_loadu_si128((const __m128i *)(shifts + n)));
    __m128i pairs = _mm_maddubs_epi16(values, _mm_set1_epi16(0x010A));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    *digits = (both & 0xFFFFFFFF) * 100000000 + (both >> 32);
    return n < 16 ? p + n : append_all_digits(p + 16, end, digits);
}
#else
#define read_digits append_all_digits
#endif

/* The double nearest to digits * 10^exponent, digits > 0. 0: it is not in reach of the table, or not a normal number. */
static int to_double(uint64_t digits, int64_t exponent, double *value) {
    if (digits < UINT64_C(1) << 40 && exponent >= -22 && exponent <= 22) { /* few digits; both factors are exact */
        double exact = (double)digits;
        *value = exponent < 0 ? exact / exact_powers[-exponent] : exact * exact_powers[exponent];
        return 1;
    }
    if (exponent < -max_power || exponent > max_power) return 0;
    int n_zeros = __builtin_clzll(digits);
    digits <<= n_zeros;
    Power power = powers[exponent + max_power];
    unsigned __int128 product = (unsigned __int128)digits * power.high;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) { /* the bits that follow may carry into those that count */
        uint64_t more = (uint64_t)((unsigned __int128)digits * power.low >> 64);
        low += more;
        if (more > low) high++;
    }
    int upper = (int)(high >> 63);
    uint64_t mantissa = high >> (upper + 9);
    int64_t power_2 = ((217706 * exponent) >> 16) + 63 + upper - n_zeros + 1023;
    if (power_2 <= 0) return 0;
    if (low <= 1 && exponent >= -4 && exponent <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == high) {
        mantissa &= ~UINT64_C(1); /* exactly between two doubles: to the even one */
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= UINT64_C(1) << 53) {
        mantissa = UINT64_C(1) << 52;
        power_2++;
    }
    if (power_2 >= 0x7FF) return 0;
    uint64_t bits = (mantissa & ~(UINT64_C(1) << 52)) | (uint64_t)power_2 << 52;
    memcpy(value, &bits, 8);
    return 1;
}

/* Each of the two reads one number and returns what follows it, or NULL. The text ends with a zero byte. */

static const char *read_double(const char *p, const char *end, uint64_t *item) {
    int is_negative = *p == '-';
    p += is_negative;
    const char *start = p;
    uint64_t digits = 0;
    if (*p == '0') {
        start = ++p; /* it does not count as a digit, and no other may follow it */
    } else {
        for (; is_digit(*p); p++) digits = digits * 10 + (uint64_t)(*p - '0');
        if (p == start) return NULL;
    }
    const char *whole_end = p;
    int64_t n_digits = p - start, exponent = 0;
    if (*p == '.') {
        const char *fraction = ++p;
        if (n_digits == 0) {
            while (*p == '0') p++;
        }
        const char *significant = p;
        p = read_digits(p, end, &digits);
        if (p == fraction) return NULL;
        n_digits += p - significant;
        exponent = fraction - p;
    }
    if (n_digits > MAX_DIGITS) return NULL;
    if (*p == 'e' || *p == 'E') {
        p++;
        int is_small = *p == '-';
        if (*p == '-' || *p == '+') p++;
        if (!is_digit(*p)) return NULL;
        int64_t given = 0;
        for (; is_digit(*p); p++) {
            given = given * 10 + (*p - '0');
            if (given > MAX_EXPONENT) return NULL;
        }
        exponent += is_small ? -given : given;
    }
    double value = 0.0;
    if (digits == 0) {
        is_negative &= p != whole_end; /* -0 is an integer, which has no sign; -0.0 has one */
    } else if (!to_double(digits, exponent, &value)) {
        return NULL;
    }
    memcpy(item, &value, 8);
    *item |= (uint64_t)is_negative << 63;
    return p;
}

static const char *read_integer(const char *p, const char *end, uint64_t *item) {
    (void)end;
    int is_negative = *p == '-';
    p += is_negative;
    const char *start = p;
    int64_t value = 0;
    if (*p == '0') {
        p++;
    } else {
        for (; is_digit(*p) && p - start < MAX_DIGITS; p++) value = value * 10 + (*p - '0');
        if (p == start || p - start == MAX_DIGITS) return NULL;
    }
    *item = (uint64_t)(is_negative ? -value : value);
    return p;
}

static int grow(void) {
    size_t wanted = n_capacity ? 2 * n_capacity : 1024;
    uint64_t *grown = PyMem_Realloc(items, wanted * sizeof *items);
    if (grown == NULL) return 0;
    items = grown;
    n_capacity = wanted;
    return 1;
}

/* The number of items, 0 if the body is of another form or there is no memory for it. */
static size_t read_items(const char *p, const char *end, int are_integers) {
    static const char key[] = "\"input\"";
    p = skip_space(p);
    if (*p != '{') return 0;
    p = skip_space(p + 1);
    if ((size_t)(end - p) < sizeof key || memcmp(p, key, sizeof key - 1) != 0) return 0;
    p = skip_space(p + sizeof key - 1);
    if (*p != ':') return 0;
    p = skip_space(p + 1);
    if (*p != '[') return 0;
    size_t n_items = 0;
    do {
        p = skip_space(p + 1);
        if (n_items == n_capacity && !grow()) return 0;
        p = are_integers ? read_integer(p, end, items + n_items) : read_double(p, end, items + n_items);
        if (p == NULL) return 0;
        n_items++;
        p = skip_space(p);
    } while (*p == ',');
    if (*p != ']') return 0;
    p = skip_space(p + 1);
    if (*p != '}') return 0;
    return skip_space(p + 1) == end ? n_items : 0;
}

static PyObject *read_row(PyObject *module, PyObject *const *arguments, Py_ssize_t n_arguments) {
    (void)module;
    if (n_arguments != 2 || !PyBytes_Check(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "read_row(body: bytes, are_integers: bool)");
        return NULL;
    }
    const char *body = PyBytes_AS_STRING(arguments[0]);
    size_t n_items = read_items(body, body + PyBytes_GET_SIZE(arguments[0]), arguments[1] == Py_True);
    PyObject *row = n_items == 0 ? Py_NewRef(Py_None)
                                 : PyBytes_FromStringAndSize((const char *)items, (Py_ssize_t)(n_items * 8));
    if (n_capacity > KEPT_ITEMS) {
        PyMem_Free(items);
        items = NULL;
        n_capacity = 0;
    }
    return row;
}

static PyObject *set_powers(PyObject *module, PyObject *table) {
    (void)module;
    if (!PyBytes_Check(table) || PyBytes_GET_SIZE(table) % 32 != 16) {
        PyErr_SetString(PyExc_ValueError, "an odd number of powers of 16 bytes is expected");
        return NULL;
    }
    size_t n_bytes = (size_t)PyBytes_GET_SIZE(table);
    Power *copy = PyMem_Malloc(n_bytes);
    if (copy == NULL) return PyErr_NoMemory();
    memcpy(copy, PyBytes_AS_STRING(table), n_bytes);
    PyMem_Free(powers);
    powers = copy;
    max_power = (Py_ssize_t)(n_bytes / 32);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"read_row", (PyCFunction)(void (*)(void))read_row, METH_FASTCALL, NULL},
    {"set_powers", set_powers, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "row_reader", NULL, -1, functions,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_row_reader(void) { return PyModule_Create(&definition); }
