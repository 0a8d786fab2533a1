/* Photons that wait for their turn within a history. */

#define PHOTON_STACK 96

typedef struct {
	float x, y, z, u, v, w, energy, weight;
} photon;

typedef struct {
	photon at[PHOTON_STACK];
	int n;
} photon_stack;

static inline void push_photon(transport *t, photon_stack *stack, const photon *p)
{
	if (stack->n < PHOTON_STACK)
		stack->at[stack->n++] = *p;
	else
		t->lost += p->energy * p->weight;
}
