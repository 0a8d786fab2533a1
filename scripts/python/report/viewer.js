'use strict';
/* The three slice views: CT, dose wash, isodose lines and contours on a canvas each.
 * Positions are mm in DICOM patient coordinates; p = [x, y, z]. */
SP.planes = {
	/* u to the right, v downwards; sign -1: the axis runs against the screen */
	axial: {axis: 2, u: 0, v: 1, vSign: 1, letters: ['R', 'L', 'A', 'P']},
	sagittal: {axis: 0, u: 1, v: 2, vSign: -1, letters: ['A', 'P', 'H', 'F']},
	coronal: {axis: 1, u: 0, v: 2, vSign: -1, letters: ['R', 'L', 'H', 'F']},
};

SP.windows = {
	'Soft tissue': [40, 400],
	'Bone': [400, 1800],
	'Lung': [-500, 1500],
	'Metal': [1500, 4000],
};

SP.isodoses = [
	[110, '#ff4df2'], [105, '#ff2d2d'], [100, '#ff9500'], [95, '#ffe100'], [90, '#9be300'], [80, '#22c55e'],
	[70, '#14b8a6'], [50, '#38bdf8'], [30, '#6366f1'], [10, '#a78bfa'],
];

/* Wash: blue, cyan, green, yellow, red between the threshold and 110 %. */
SP.washColour = function (t) {
	const stops = [[0, 40, 60, 200], [0.25, 20, 170, 220], [0.5, 40, 190, 90], [0.75, 245, 215, 40], [1, 225, 35, 35]];
	t = Math.max(0, Math.min(1, t));
	let k = 1;
	while (stops[k][0] < t)
		k++;
	const a = stops[k - 1], b = stops[k], f = (t - a[0]) / (b[0] - a[0]);
	return [1, 2, 3].map(i => a[i] + f * (b[i] - a[i]));
};

SP.indexOf = (grid, axis, mm) => (mm - grid.origin[axis]) / grid.spacing[axis];
SP.positionOf = (grid, axis, index) => grid.origin[axis] + index * grid.spacing[axis];

/* Trilinear value of a volume; 0 outside of it. */
SP.sample = function (grid, values, x, y, z) {
	const i = SP.indexOf(grid, 0, x), j = SP.indexOf(grid, 1, y), k = SP.indexOf(grid, 2, z);
	const [nx, ny, nz] = grid.n;
	if (!(i >= 0 && j >= 0 && k >= 0 && i <= nx - 1 && j <= ny - 1 && k <= nz - 1))
		return 0;
	const i0 = Math.min(i | 0, Math.max(nx - 2, 0)), j0 = Math.min(j | 0, Math.max(ny - 2, 0)),
		k0 = Math.min(k | 0, Math.max(nz - 2, 0));
	const fi = i - i0, fj = j - j0, fk = k - k0, di = nx > 1 ? 1 : 0, dj = ny > 1 ? nx : 0, dk = nz > 1 ? nx * ny : 0;
	const at = (k0 * ny + j0) * nx + i0;
	const row = n => values[n] * (1 - fi) + values[n + di] * fi;
	const plane = n => row(n) * (1 - fj) + row(n + dj) * fj;
	return plane(at) * (1 - fk) + plane(at + dk) * fk;
};

/* Marching squares: calls line(u0, v0, u1, v1) in sample units for each piece of the level's outline. */
SP.marchingSquares = function (values, nu, nv, level, line) {
	for (let v = 0; v + 1 < nv; v++) {
		for (let u = 0; u + 1 < nu; u++) {
			const n = v * nu + u, a = values[n], b = values[n + 1], c = values[n + nu + 1], d = values[n + nu];
			const code = (a > level) | (b > level) << 1 | (c > level) << 2 | (d > level) << 3;
			if (code === 0 || code === 15)
				continue;
			const top = () => [u + (level - a) / (b - a), v], right = () => [u + 1, v + (level - b) / (c - b)],
				bottom = () => [u + (level - d) / (c - d), v + 1], left = () => [u, v + (level - a) / (d - a)];
			const draw = (p, q) => line(p[0], p[1], q[0], q[1]);
			switch (code) {
			case 1: case 14: draw(left(), top()); break;
			case 2: case 13: draw(top(), right()); break;
			case 3: case 12: draw(left(), right()); break;
			case 4: case 11: draw(right(), bottom()); break;
			case 6: case 9: draw(top(), bottom()); break;
			case 7: case 8: draw(left(), bottom()); break;
			case 5: draw(left(), top()); draw(right(), bottom()); break;
			case 10: draw(top(), right()); draw(left(), bottom()); break;
			}
		}
	}
};

SP.View = class {
	constructor(name, state, onChange) {
		this.name = name;
		this.plane = SP.planes[name];
		this.state = state;
		this.onChange = onChange;
		this.box = document.getElementById('view-' + name);
		this.canvas = this.box.querySelector('canvas');
		this.slider = this.box.querySelector('input[type=range]');
		this.label = this.box.querySelector('.where');
		this.readout = this.box.querySelector('.readout');
		this.back = document.createElement('canvas');
		const axis = this.plane.axis;
		this.slider.min = 0;
		this.slider.max = SP.ct.n[axis] - 1;
		this.slider.addEventListener('input', () => {
			state.p[axis] = SP.positionOf(SP.ct, axis, +this.slider.value);
			onChange();
		});
		this.canvas.addEventListener('wheel', e => {
			e.preventDefault();
			this.step(e.deltaY > 0 ? -1 : 1);
		}, {passive: false});
		this.canvas.addEventListener('keydown', e => {
			const step = {ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5}[e.key];
			if (step) {
				e.preventDefault();
				this.step(step);
			}
		});
		this.canvas.addEventListener('pointerdown', e => {
			this.canvas.setPointerCapture(e.pointerId);
			this.moveTo(e);
		});
		this.canvas.addEventListener('pointermove', e => {
			if (e.buttons & 1)
				this.moveTo(e);
			this.tell(e);
		});
		this.canvas.addEventListener('pointerleave', () => { this.readout.textContent = ''; });
	}

	step(n) {
		const axis = this.plane.axis;
		const k = Math.round(SP.indexOf(SP.ct, axis, this.state.p[axis])) + n;
		this.state.p[axis] = SP.positionOf(SP.ct, axis, Math.max(0, Math.min(SP.ct.n[axis] - 1, k)));
		this.onChange();
	}

	/* Field of view: mm at the canvas' middle, and canvas pixels per mm. */
	frame() {
		const {u, v} = this.plane, w = this.canvas.width, h = this.canvas.height;
		const field = this.state.field;
		const size = axis => field ? field.size[axis] : SP.ct.n[axis] * SP.ct.spacing[axis];
		const middle = axis => field ? field.middle[axis] : SP.ct.origin[axis] + (SP.ct.n[axis] - 1) / 2 * SP.ct.spacing[axis];
		return {scale: Math.min(w / size(u), h / size(v)), u: middle(u), v: middle(v), w, h};
	}

	toScreen(f, u, v) {
		return [f.w / 2 + (u - f.u) * f.scale, f.h / 2 + (v - f.v) * f.scale * this.plane.vSign];
	}

	/* Patient position under a pointer event. */
	under(e) {
		const r = this.canvas.getBoundingClientRect(), f = this.frame(), p = this.state.p.slice();
		p[this.plane.u] = f.u + ((e.clientX - r.left) / r.width * f.w - f.w / 2) / f.scale;
		p[this.plane.v] = f.v + ((e.clientY - r.top) / r.height * f.h - f.h / 2) / f.scale * this.plane.vSign;
		return p;
	}

	moveTo(e) {
		const p = this.under(e);
		for (const axis of [this.plane.u, this.plane.v]) {
			const k = Math.round(SP.indexOf(SP.ct, axis, p[axis]));
			this.state.p[axis] = SP.positionOf(SP.ct, axis, Math.max(0, Math.min(SP.ct.n[axis] - 1, k)));
		}
		this.onChange();
	}

	tell(e) {
		const p = this.under(e), i = [0, 1, 2].map(axis => Math.round(SP.indexOf(SP.ct, axis, p[axis])));
		const inside = i.every((n, axis) => n >= 0 && n < SP.ct.n[axis]);
		const dose = SP.sample(SP.dose, SP.dose.values, ...p);
		this.readout.textContent = !inside ? '' : dose.toFixed(2) + ' Gy (' +
			(100 * dose / SP.data.reference_gy).toFixed(0) + ' %), ' +
			SP.ct.hu_of_code[SP.ct.values[(i[2] * SP.ct.n[1] + i[1]) * SP.ct.n[0] + i[0]]].toFixed(0) + ' HU';
	}

	drawCt(g, f) {
		const {axis, u, v, vSign} = this.plane, ct = SP.ct, [nx, ny] = ct.n;
		const nu = ct.n[u], nv = ct.n[v], stride = [1, nx, nx * ny];
		const k = Math.round(SP.indexOf(ct, axis, this.state.p[axis]));
		const [level, width] = SP.windows[this.state.window];
		const grey = ct.hu_of_code.map(hu => Math.round(Math.max(0, Math.min(255, 255 * ((hu - level) / width + 0.5)))));
		const image = new ImageData(nu, nv), out = new Uint32Array(image.data.buffer);
		for (let b = 0; b < nv; b++) {
			let n = k * stride[axis] + (vSign > 0 ? b : nv - 1 - b) * stride[v];
			for (let a = 0; a < nu; a++, n += stride[u])
				out[b * nu + a] = 0xff000000 | grey[ct.values[n]] * 0x010101; /* little-endian RGBA */
		}
		this.back.width = nu;
		this.back.height = nv;
		this.back.getContext('2d').putImageData(image, 0, 0);
		const first = (axis_) => ct.origin[axis_] - ct.spacing[axis_] / 2;
		const topV = vSign > 0 ? first(v) : first(v) + nv * ct.spacing[v];
		const [x, y] = this.toScreen(f, first(u), topV);
		g.imageSmoothingEnabled = true;
		g.imageSmoothingQuality = 'high';
		g.drawImage(this.back, x, y, nu * ct.spacing[u] * f.scale, nv * ct.spacing[v] * f.scale);
	}

	/* Dose in Gy on screen-aligned samples; step is in canvas pixels. */
	samplePlane(f, step) {
		const {axis, u, v, vSign} = this.plane, nu = Math.ceil(f.w / step) + 1, nv = Math.ceil(f.h / step) + 1;
		const values = new Float32Array(nu * nv), p = this.state.p.slice();
		for (let b = 0; b < nv; b++) {
			p[v] = f.v + (b * step - f.h / 2) / f.scale * vSign;
			for (let a = 0; a < nu; a++) {
				p[u] = f.u + (a * step - f.w / 2) / f.scale;
				values[b * nu + a] = SP.sample(SP.dose, SP.dose.values, p[0], p[1], p[2]);
			}
		}
		return {values, nu, nv, step, axis};
	}

	drawWash(g, dose) {
		const {nu, nv, values, step} = dose, low = this.state.threshold / 100 * SP.data.reference_gy;
		const high = 1.1 * SP.data.reference_gy, image = new ImageData(nu, nv);
		for (let n = 0; n < values.length; n++) {
			if (values[n] < low || values[n] <= 0)
				continue;
			const c = SP.washTable[Math.max(0, Math.min(255, 255 * (values[n] - low) / (high - low) | 0))];
			image.data.set([c[0], c[1], c[2], 255], 4 * n);
		}
		this.back.width = nu;
		this.back.height = nv;
		this.back.getContext('2d').putImageData(image, 0, 0);
		g.globalAlpha = this.state.opacity;
		g.drawImage(this.back, -step / 2, -step / 2, nu * step, nv * step);
		g.globalAlpha = 1;
	}

	drawIsodoses(g, dose) {
		g.lineWidth = 1.4 * this.ratio;
		for (const [percent, colour] of SP.isodoses) {
			if (!this.state.levels.has(percent))
				continue;
			g.beginPath();
			SP.marchingSquares(dose.values, dose.nu, dose.nv, percent / 100 * SP.data.reference_gy, (a, b, c, d) => {
				g.moveTo(a * dose.step, b * dose.step);
				g.lineTo(c * dose.step, d * dose.step);
			});
			g.strokeStyle = colour;
			g.stroke();
		}
	}

	/* The drawn polygons of the plane nearest to this axial slice. */
	outlinePolygons(g, f, s) {
		const z = this.state.p[2], poly = s.polygons;
		let best = Infinity;
		for (const at of poly.z)
			best = Math.min(best, Math.abs(at - z));
		if (best > poly.reach)
			return;
		let n = 0;
		poly.z.forEach((at, i) => {
			if (Math.abs(Math.abs(at - z) - best) < 0.01)
				for (let k = 0; k < poly.points[i]; k++) {
					const [x, y] = this.toScreen(f, poly.xy[2 * (n + k)], poly.xy[2 * (n + k) + 1]);
					if (k)
						g.lineTo(x, y);
					else
						g.moveTo(x, y);
					if (k === poly.points[i] - 1)
						g.closePath();
				}
			n += poly.points[i];
		});
	}

	/* The half-covered line through a structure's coverage on the CT's voxels. */
	outlineCoverage(g, f, s) {
		const {axis, u, v} = this.plane, ct = SP.ct, stride = [1, s.n[0], s.n[0] * s.n[1]];
		const k = Math.round(SP.indexOf(ct, axis, this.state.p[axis])) - s.first[axis];
		if (k < 0 || k >= s.n[axis])
			return;
		/* a rim of zeros closes what touches the CT's border */
		const nu = s.n[u] + 2, nv = s.n[v] + 2, plane = new Float32Array(nu * nv);
		for (let b = 0; b < s.n[v]; b++)
			for (let a = 0; a < s.n[u]; a++)
				plane[(b + 1) * nu + a + 1] = s.values[k * stride[axis] + b * stride[v] + a * stride[u]];
		const at = (a, b) => this.toScreen(f, SP.positionOf(ct, u, s.first[u] + a - 1), SP.positionOf(ct, v, s.first[v] + b - 1));
		SP.marchingSquares(plane, nu, nv, SP.data.fraction_levels / 2, (a, b, c, d) => {
			g.moveTo(...at(a, b));
			g.lineTo(...at(c, d));
		});
	}

	drawContours(g, f) {
		for (const s of SP.data.structures) {
			if (!this.state.shown.has(s.name))
				continue;
			g.beginPath();
			if (this.name === 'axial' && s.polygons)
				this.outlinePolygons(g, f, s);
			else
				this.outlineCoverage(g, f, s);
			g.lineWidth = (['ptv', 'ctv', 'gtv', 'cord', 'prv'].includes(s.role) ? 2 : 1.3) * this.ratio;
			g.strokeStyle = `rgb(${s.colour})`;
			g.stroke();
		}
	}

	drawFrame(g, f) {
		const {u, v, letters} = this.plane, [x, y] = this.toScreen(f, this.state.p[u], this.state.p[v]);
		if (this.state.cross) {
			g.strokeStyle = 'rgba(255,255,255,0.35)';
			g.lineWidth = this.ratio;
			g.setLineDash([4 * this.ratio, 5 * this.ratio]);
			g.beginPath();
			g.moveTo(x, 0); g.lineTo(x, f.h); g.moveTo(0, y); g.lineTo(f.w, y);
			g.stroke();
			g.setLineDash([]);
		}
		g.fillStyle = 'rgba(255,255,255,0.8)';
		g.font = `600 ${12 * this.ratio}px system-ui, sans-serif`;
		g.textBaseline = 'middle';
		g.textAlign = 'left';
		g.fillText(letters[0], 6 * this.ratio, f.h / 2);
		g.textAlign = 'right';
		g.fillText(letters[1], f.w - 6 * this.ratio, f.h / 2);
		g.textAlign = 'center';
		g.fillText(letters[2], f.w / 2, 10 * this.ratio);
		g.fillText(letters[3], f.w / 2, f.h - 10 * this.ratio);
		/* a bar of 5 cm, or 1 cm where that does not fit */
		const mm = 50 * f.scale < f.w / 3 ? 50 : 10, x0 = 10 * this.ratio, y0 = f.h - 12 * this.ratio;
		g.fillRect(x0, y0, mm * f.scale, 2 * this.ratio);
		g.textAlign = 'left';
		g.font = `${10 * this.ratio}px system-ui, sans-serif`;
		g.fillText(mm / 10 + ' cm', x0, y0 - 8 * this.ratio);
	}

	draw() {
		this.ratio = Math.min(window.devicePixelRatio || 1, 2);
		const w = Math.round(this.canvas.clientWidth * this.ratio), h = Math.round(this.canvas.clientHeight * this.ratio);
		if (this.canvas.width !== w || this.canvas.height !== h) {
			this.canvas.width = w;
			this.canvas.height = h;
		}
		const g = this.canvas.getContext('2d'), f = this.frame(), axis = this.plane.axis;
		g.fillStyle = '#000';
		g.fillRect(0, 0, w, h);
		this.drawCt(g, f);
		const dose = this.samplePlane(f, Math.max(1.5, f.scale * 0.75));
		if (this.state.wash)
			this.drawWash(g, dose);
		if (this.state.lines)
			this.drawIsodoses(g, dose);
		if (this.state.contours)
			this.drawContours(g, f);
		this.drawFrame(g, f);
		this.slider.value = Math.round(SP.indexOf(SP.ct, axis, this.state.p[axis]));
		this.label.textContent = 'xyz'[axis] + ' = ' + this.state.p[axis].toFixed(1) + ' mm';
	}
};
