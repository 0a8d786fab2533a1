'use strict';
/* Unpacks the data, wires the controls, draws; and checks itself when opened with #selfcheck. */
window.SP = {};
SP.errors = [];
window.addEventListener('error', e => SP.errors.push(e.message));
window.addEventListener('unhandledrejection', e => SP.errors.push(String(e.reason)));
SP.isDark = () => !SP.printing && window.matchMedia('(prefers-color-scheme: dark)').matches;

SP.unpack = async function (text) {
	const binary = Uint8Array.from(atob(text), c => c.charCodeAt(0));
	const stream = new Blob([binary]).stream().pipeThrough(new DecompressionStream('deflate'));
	return new Uint8Array(await new Response(stream).arrayBuffer());
};

SP.unpackDose = function (dose, bytes) {
	const [nx, ny, nz] = dose.n, n = nx * ny * nz, values = new Float32Array(n);
	for (let row = 0; row < ny * nz; row++)
		for (let i = 0, code = 0; i < nx; i++) {
			const at = row * nx + i;
			code = (code + bytes[at] + (bytes[n + at] << 8)) & 0xffff;
			values[at] = code * dose.gy_per_code;
		}
	return values;
};

SP.unpackStructure = async function (s) {
	s.values = await SP.unpack(s.data);
	if (!s.polygons)
		return;
	const bytes = await SP.unpack(s.polygons.data), steps = new Int16Array(bytes.buffer);
	const xy = s.polygons.xy = new Float32Array(steps.length);
	let n = 0;
	for (const points of s.polygons.points)
		for (let k = 0, x = 0, y = 0; k < points; k++, n++) {
			x += steps[2 * n];
			y += steps[2 * n + 1];
			xy[2 * n] = SP.ct.origin[0] + x / 10;
			xy[2 * n + 1] = SP.ct.origin[1] + y / 10;
		}
	const z = [...new Set(s.polygons.z)].sort((a, b) => a - b), gaps = z.slice(1).map((v, i) => v - z[i]).sort((a, b) => a - b);
	s.polygons.reach = Math.max(SP.ct.spacing[2], gaps.length ? gaps[gaps.length >> 1] : 0) / 2 + 0.01;
};

SP.start = async function () {
	SP.data = JSON.parse(document.getElementById('data').textContent);
	SP.ct = SP.data.ct;
	SP.dose = SP.data.dose;
	SP.ct.values = await SP.unpack(SP.ct.data);
	SP.dose.values = SP.unpackDose(SP.dose, await SP.unpack(SP.dose.data));
	for (const s of SP.data.structures)
		await SP.unpackStructure(s);
	SP.washTable = Array.from({length: 256}, (_, i) => SP.washColour(i / 255));

	const clampToCt = (mm, axis) => SP.positionOf(SP.ct, axis,
		Math.max(0, Math.min(SP.ct.n[axis] - 1, Math.round(SP.indexOf(SP.ct, axis, mm)))));
	const state = SP.state = {
		p: SP.data.start_mm.map(clampToCt),
		window: 'Soft tissue', wash: true, lines: true, contours: true, cross: true, opacity: 0.4, threshold: 20,
		levels: new Set([105, 100, 90, 80, 50, 30]),
		shown: new Set(SP.data.structures.filter(s => s.shown).map(s => s.name)),
		curves: new Set(SP.data.dvh.filter(d => d.shown).map(d => d.name)),
		field: null,
	};
	let wanted = false;
	const views = SP.views = [];
	SP.drawAll = () => views.forEach(v => v.draw());
	const redraw = () => {
		if (wanted)
			return;
		wanted = true;
		requestAnimationFrame(() => { wanted = false; SP.drawAll(); });
	};
	for (const name of Object.keys(SP.planes))
		views.push(new SP.View(name, state, redraw));
	const dvh = SP.dvh = new SP.Dvh(state);
	SP.wireControls(state, redraw, () => dvh.draw());
	const everything = () => { SP.drawAll(); dvh.draw(); SP.drawBeams(); };
	window.addEventListener('resize', everything);
	window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', everything);
	window.addEventListener('beforeprint', () => { SP.printing = true; everything(); });
	window.addEventListener('afterprint', () => { SP.printing = false; everything(); });
	everything();
	document.documentElement.dataset.ready = 'yes';
	if (location.hash === '#selfcheck')
		await SP.selfCheck();
};

document.addEventListener('DOMContentLoaded', () => SP.start().catch(e => {
	SP.errors.push(String(e && e.stack || e));
	const note = document.getElementById('trouble');
	note.hidden = false;
	note.textContent = 'The pictures could not be shown: ' + e;
	document.documentElement.dataset.selfcheck = JSON.stringify({errors: SP.errors});
}));
