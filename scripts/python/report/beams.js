'use strict';
/* Beam's eye view of each fluence: what the patient's side of the gantry head sees, IEC X to the right, Y upwards. */
SP.drawBeams = function () {
	const top = Math.max(...SP.data.beams.map(b => Math.max(0, ...b.weights)), 1e-30);
	const reach = 5 + Math.max(20, ...SP.data.beams.flatMap(b => b.x.concat(b.y).map(Math.abs)));
	for (const beam of SP.data.beams) {
		const canvas = document.getElementById('bev-' + beam.index);
		if (!canvas)
			continue;
		const q = Math.min(window.devicePixelRatio || 1, 2), side = Math.round(canvas.clientWidth * q);
		canvas.width = canvas.height = side;
		const g = canvas.getContext('2d'), scale = side / 2 / reach;
		g.fillStyle = '#0b0e14';
		g.fillRect(0, 0, side, side);
		beam.weights.forEach((w, i) => {
			const t = w / top, c = SP.heat(t);
			g.fillStyle = `rgb(${c})`;
			const s = beam.pitch * scale;
			/* half a pixel more, so that no seams show */
			g.fillRect(side / 2 + beam.x[i] * scale - s / 2, side / 2 - beam.y[i] * scale - s / 2, s + 0.5, s + 0.5);
		});
		g.strokeStyle = 'rgba(255,255,255,0.35)';
		g.lineWidth = q;
		g.beginPath();
		g.moveTo(side / 2, 0); g.lineTo(side / 2, side); g.moveTo(0, side / 2); g.lineTo(side, side / 2);
		for (let mm = -10 * Math.floor(reach / 10); mm <= reach; mm += 10) {
			const at = side / 2 + mm * scale;
			g.moveTo(at, side / 2 - 3 * q); g.lineTo(at, side / 2 + 3 * q);
			g.moveTo(side / 2 - 3 * q, at); g.lineTo(side / 2 + 3 * q, at);
		}
		g.stroke();
		g.fillStyle = 'rgba(255,255,255,0.7)';
		g.font = `${10 * q}px system-ui, sans-serif`;
		g.fillText('X', side - 11 * q, side / 2 - 6 * q);
		g.fillText('Y', side / 2 + 5 * q, 11 * q);
	}
};

/* Black, violet, orange, pale yellow: even steps of lightness. */
SP.heat = function (t) {
	const stops = [[28, 22, 48], [92, 30, 110], [190, 55, 85], [246, 138, 40], [252, 240, 165]];
	const at = Math.max(0, Math.min(1, t)) * (stops.length - 1), k = Math.min(at | 0, stops.length - 2);
	return stops[k].map((c, i) => Math.round(c + (at - k) * (stops[k + 1][i] - c)));
};
