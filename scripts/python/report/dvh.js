'use strict';
/* Dose-volume histogram: lines, a legend that switches them, and a reading under the pointer. */
SP.Dvh = class {
	constructor(state) {
		this.state = state;
		this.canvas = document.getElementById('dvh');
		this.tip = document.getElementById('dvh-tip');
		this.hover = null;
		this.top = Math.max(...SP.data.dvh.map(d => d.dose_gy[d.dose_gy.length - 1]), SP.data.reference_gy) * 1.03;
		this.canvas.addEventListener('pointermove', e => {
			const r = this.canvas.getBoundingClientRect();
			this.hover = this.doseAt((e.clientX - r.left) / r.width * this.canvas.width);
			this.draw();
			this.tell(e.clientX - r.left, r.width);
		});
		this.canvas.addEventListener('pointerleave', () => {
			this.hover = null;
			this.tip.hidden = true;
			this.draw();
		});
	}

	area() {
		const q = this.ratio;
		return {x0: 48 * q, x1: this.canvas.width - 14 * q, y0: 12 * q, y1: this.canvas.height - 40 * q};
	}

	doseAt(x) {
		const a = this.area(), d = (x - a.x0) / (a.x1 - a.x0) * this.top;
		return d >= 0 && d <= this.top ? d : null;
	}

	/* Percent of the structure that receives at least dose. */
	volumeAt(line, dose) {
		const d = line.dose_gy, v = line.percent;
		if (dose <= d[0])
			return v[0];
		if (dose >= d[d.length - 1])
			return dose > d[d.length - 1] ? 0 : v[v.length - 1];
		let low = 0, high = d.length - 1;
		while (high - low > 1) {
			const mid = (low + high) >> 1;
			if (d[mid] <= dose)
				low = mid;
			else
				high = mid;
		}
		const f = d[high] > d[low] ? (dose - d[low]) / (d[high] - d[low]) : 0;
		return v[low] + f * (v[high] - v[low]);
	}

	tell(x, width) {
		this.tip.hidden = this.hover === null;
		if (this.hover === null)
			return;
		this.tip.replaceChildren();
		const head = document.createElement('b');
		head.textContent = this.hover.toFixed(1) + ' Gy (' + (100 * this.hover / SP.data.reference_gy).toFixed(0) + ' %)';
		this.tip.append(head);
		const rows = SP.data.dvh.filter(d => this.state.curves.has(d.name))
			.map(d => [d, this.volumeAt(d, this.hover)]).sort((a, b) => b[1] - a[1]).slice(0, 14);
		for (const [d, v] of rows) {
			const row = document.createElement('div'), chip = document.createElement('i'), name = document.createElement('span'),
				value = document.createElement('span');
			chip.style.background = SP.readable(d.colour);
			name.textContent = d.name;
			value.textContent = v.toFixed(1) + ' %';
			row.append(chip, name, value);
			this.tip.append(row);
		}
		this.tip.style.left = x > width / 2 ? 'auto' : x + 16 + 'px';
		this.tip.style.right = x > width / 2 ? width - x + 16 + 'px' : 'auto';
	}

	draw() {
		this.ratio = Math.min(window.devicePixelRatio || 1, 2);
		const q = this.ratio, w = Math.round(this.canvas.clientWidth * q), h = Math.round(this.canvas.clientHeight * q);
		if (this.canvas.width !== w || this.canvas.height !== h) {
			this.canvas.width = w;
			this.canvas.height = h;
		}
		const g = this.canvas.getContext('2d'), a = this.area();
		const css = getComputedStyle(document.documentElement), ink = css.getPropertyValue('--muted'), rule = css.getPropertyValue('--line');
		const x = d => a.x0 + d / this.top * (a.x1 - a.x0), y = v => a.y1 - v / 100 * (a.y1 - a.y0);
		g.clearRect(0, 0, w, h);
		g.font = `${11.5 * q}px system-ui, sans-serif`;
		g.lineWidth = q;
		g.strokeStyle = rule;
		g.fillStyle = ink;
		g.textAlign = 'right';
		g.textBaseline = 'middle';
		for (let v = 0; v <= 100; v += 20) {
			g.beginPath(); g.moveTo(a.x0, y(v)); g.lineTo(a.x1, y(v)); g.stroke();
			g.fillText(v + ' %', a.x0 - 8 * q, y(v));
		}
		g.textAlign = 'center';
		g.textBaseline = 'top';
		const step = [0.5, 1, 2, 5, 10, 20, 50].find(s => this.top / s <= 10) || 100;
		for (let d = 0; d <= this.top; d += step)
			g.fillText(+d.toFixed(1), x(d), a.y1 + 7 * q);
		g.fillText('dose (Gy)', (a.x0 + a.x1) / 2, a.y1 + 23 * q);
		if (SP.data.prescribed) {
			g.setLineDash([3 * q, 3 * q]);
			g.strokeStyle = ink;
			g.beginPath(); g.moveTo(x(SP.data.reference_gy), a.y0); g.lineTo(x(SP.data.reference_gy), a.y1); g.stroke();
			g.setLineDash([]);
		}
		for (const line of SP.data.dvh) {
			if (!this.state.curves.has(line.name))
				continue;
			if (line.band)
				this.drawBand(g, line, x, y);
			g.beginPath();
			g.moveTo(x(0), y(100));
			line.dose_gy.forEach((d, i) => g.lineTo(x(d), y(line.percent[i])));
			g.lineTo(x(line.dose_gy[line.dose_gy.length - 1]), y(0));
			g.lineWidth = (line.important ? 2.4 : 1.5) * q;
			g.strokeStyle = SP.readable(line.colour);
			g.lineJoin = 'round';
			g.stroke();
		}
		if (this.hover !== null) {
			g.strokeStyle = ink;
			g.lineWidth = q;
			g.beginPath(); g.moveTo(x(this.hover), a.y0); g.lineTo(x(this.hover), a.y1); g.stroke();
		}
	}
};

/* Between the least and the most volume over the scenarios of set-up errors. */
SP.Dvh.prototype.drawBand = function (g, line, x, y) {
	const band = line.band;
	g.beginPath();
	band.dose_gy.forEach((d, i) => g.lineTo(Math.min(x(d), x(this.top)), y(band.most[i])));
	for (let i = band.dose_gy.length - 1; i >= 0; i--)
		g.lineTo(Math.min(x(band.dose_gy[i]), x(this.top)), y(band.least[i]));
	g.closePath();
	g.globalAlpha = 0.25;
	g.fillStyle = SP.readable(line.colour);
	g.fill();
	g.globalAlpha = 1;
};

/* A structure's colour, darkened or lightened until it can be read on the page. */
SP.readable = function (rgb) {
	const dark = SP.isDark(), light = (0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]) / 255;
	const f = !dark && light > 0.55 ? 0.55 / light : 1, lift = dark && light < 0.35 ? 70 : 0;
	return `rgb(${rgb.map(c => Math.round(Math.min(255, c * f + lift)))})`;
};
