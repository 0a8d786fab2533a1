'use strict';
/* Opened with #selfcheck the page exercises itself and leaves what it saw in <html data-selfcheck>, for tests. */
SP.selfCheck = async function () {
	const scratch = document.createElement('canvas'), pen = scratch.getContext('2d', {willReadFrequently: true});
	const print = canvas => {
		scratch.width = canvas.width;
		scratch.height = canvas.height;
		pen.drawImage(canvas, 0, 0);
		const d = pen.getImageData(0, 0, canvas.width, canvas.height).data;
		let sum = 0, coloured = 0, lit = 0;
		for (let i = 0; i < d.length; i += 4) {
			sum = (sum * 31 + d[i] + 7 * d[i + 1] + 13 * d[i + 2]) % 4294967296;
			lit += d[i] + d[i + 1] + d[i + 2] > 60;
			coloured += Math.max(d[i], d[i + 1], d[i + 2]) - Math.min(d[i], d[i + 1], d[i + 2]) > 40;
		}
		return {sum, lit: lit / (d.length / 4), coloured: coloured / (d.length / 4)};
	};
	const frame = () => new Promise(done => setTimeout(done, 60));
	const found = {views: {}, controls: {}};
	for (const view of SP.views) {
		const before = print(view.canvas), at = +view.slider.value;
		view.slider.value = at + 2 <= +view.slider.max ? at + 2 : at - 2;
		view.slider.dispatchEvent(new Event('input'));
		await frame();
		SP.drawAll();
		const after = print(view.canvas);
		view.slider.value = at;
		view.slider.dispatchEvent(new Event('input'));
		SP.drawAll();
		found.views[view.name] = {...before, slider_changes_picture: after.sum !== before.sum,
			slider_returns: print(view.canvas).sum === before.sum};
	}
	const axial = SP.views[0].canvas, plain = print(axial);
	for (const id of ['show-wash', 'show-lines', 'show-contours', 'show-cross']) {
		document.getElementById(id).click();
		SP.drawAll();
		const off = print(axial);
		found.controls[id] = off.sum !== plain.sum;
		document.getElementById(id).click();
	}
	for (const [id, value] of [['opacity', 90], ['threshold', 70], ['window', 'Lung'], ['field', 'target']]) {
		const input = document.getElementById(id), old = input.value;
		input.value = value;
		input.dispatchEvent(new Event('input'));
		input.dispatchEvent(new Event('change'));
		SP.drawAll();
		found.controls[id] = print(axial).sum !== plain.sum;
		input.value = old;
		input.dispatchEvent(new Event('input'));
		input.dispatchEvent(new Event('change'));
	}
	const curves = print(SP.dvh.canvas), legend = document.querySelector('#dvh-legend input:checked');
	if (legend) {
		legend.click();
		found.controls['dvh-legend'] = print(SP.dvh.canvas).sum !== curves.sum;
		legend.click();
		const r = SP.dvh.canvas.getBoundingClientRect();
		SP.dvh.canvas.dispatchEvent(new PointerEvent('pointermove', {clientX: r.left + r.width / 3, clientY: r.top + 50}));
		found.dvh_hover = document.getElementById('dvh-tip').textContent;
		SP.dvh.canvas.dispatchEvent(new PointerEvent('pointerleave'));
	}
	found.dvh_coloured = curves.coloured;
	const p = SP.data.start_mm;
	found.dose_at_start_gy = SP.sample(SP.dose, SP.dose.values, p[0], p[1], p[2]);
	found.beams = [...document.querySelectorAll('canvas.bev')].map(c => print(c).lit);
	found.errors = SP.errors;
	document.documentElement.dataset.selfcheck = JSON.stringify(found);
};
