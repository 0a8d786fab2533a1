/* Published measurements of TrueBeam's four photon beams: mean of three machines (Chang et al., Med. Phys. 39 (2012)
 * 6981), ionisation chamber with an inner radius of 3.05 mm. Two other machines agree with them within 0.6 % (depth
 * dose at 10 cm), 0.9 % (20 cm), 0.8 % (output factors) and 1 % (profiles) (Lim et al., AAPM 2013, SU-E-T-33). */
#ifndef SP_BEAM_FACTS_H
#define SP_BEAM_FACTS_H

#define SP_FACT_DEPTH_FIELDS 3
#define SP_FACT_OUTPUTS 9
#define SP_FACT_RATIOS 4

typedef struct {
	double energy_mv;
	int flattened;
	double dmax_mm[SP_FACT_DEPTH_FIELDS]; /* by field */
	double depth_dose[SP_FACT_DEPTH_FIELDS]
	                 [3];           /* percent of the maximum at 50, 100, 200 mm, 1000 mm to the surface */
	double output[SP_FACT_OUTPUTS]; /* over 100 mm; 950 mm to the surface, 50 mm deep */
	double ratio[SP_FACT_RATIOS];   /* percent of the axis, 100 mm deep, 1000 mm to the surface, 400 mm field */
	double horn;                    /* the same 150 mm off the axis at the depth of maximum */
	double penumbra_mm[2][2];       /* 80 to 20 %: fields of 30 and 100 mm; depth of maximum, 100 mm */
	/* the same along x and y by a diamond detector, other machines: 100 mm field, 100 mm deep, 900 mm to the
	 * surface; 0: none */
	double diamond_mm[2];
} sp_beam_facts;

extern const double sp_fact_depth_field_mm[SP_FACT_DEPTH_FIELDS], sp_fact_output_field_mm[SP_FACT_OUTPUTS],
        sp_fact_ratio_mm[SP_FACT_RATIOS];

/* NULL for another beam. */
const sp_beam_facts *sp_beam_facts_of(double energy_mv, int flattened);

#endif
