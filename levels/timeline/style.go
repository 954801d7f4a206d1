package timeline

// Colours are given by classes, so that the dark ones can take the place of the light ones;
// not by variables, which many programs that draw SVG do not know.

const fonts = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"

const styles = `text { fill: #1f2328 }
.end { text-anchor: end }
.strong { font-weight: 600 }
.dim { fill: #59636e }
.bad { fill: #cf222e }
.on { fill: #ffffff }
.page { fill: #ffffff }
.plate { fill: #ffffff; fill-opacity: 0.9 }
.grid { stroke: #d1d9e0; stroke-width: 1; stroke-dasharray: 2 3 }
.edge { stroke: #d1d9e0; stroke-width: 1 }
.column0 { fill: #f3f5f8 }
.column1 { fill: #e6ebf1 }
.run { fill: #59636e }
.broken { fill: #cf222e }
.callback { fill: #0969da }
.start { fill: #1a7f37 }
.stop { fill: #8250df }
.idle { fill: #b6c0ca }
.failed { fill: #cf222e }
.canceled { fill: url(#cssc-canceled); stroke: #818b98 }
.waiting { fill: url(#cssc-waiting); stroke: #bf8700 }
.held { fill: url(#cssc-held); stroke: #bc4c00 }
.line-canceled { stroke: #818b98; stroke-width: 2 }
.line-waiting { stroke: #bf8700; stroke-width: 2.5 }
.line-held { stroke: #bc4c00; stroke-width: 2.5 }
@media screen and (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.dim { fill: #9198a1 }
.bad { fill: #ff7b72 }
.on { fill: #0d1117 }
.page { fill: #0d1117 }
.plate { fill: #0d1117 }
.grid, .edge { stroke: #3d444d }
.column0 { fill: #151b23 }
.column1 { fill: #212830 }
.run { fill: #9198a1 }
.broken, .failed { fill: #f85149 }
.callback { fill: #4493f8 }
.start { fill: #3fb950 }
.stop { fill: #ab7df8 }
.idle { fill: #656c76 }
.canceled, .line-canceled { stroke: #9198a1 }
.waiting, .line-waiting { stroke: #d29922 }
.held, .line-held { stroke: #f0883e }
}
`

const patterns = `<defs>
<pattern id="cssc-waiting" patternUnits="userSpaceOnUse" width="6" height="6" patternTransform="rotate(45)"><line class="line-waiting" x1="0" y1="0" x2="0" y2="6"/></pattern>
<pattern id="cssc-held" patternUnits="userSpaceOnUse" width="5" height="5" patternTransform="rotate(-45)"><line class="line-held" x1="0" y1="0" x2="0" y2="5"/></pattern>
<pattern id="cssc-canceled" patternUnits="userSpaceOnUse" width="5" height="5" patternTransform="rotate(-45)"><line class="line-canceled" x1="0" y1="0" x2="0" y2="5"/></pattern>
</defs>
`

func lookClasses() [looks]string {
	return [looks]string{"run", "broken", "canceled", "callback", "start", "stop", "idle", "failed", "waiting", "held"}
}

func lookWords() [looks]string {
	return [looks]string{
		"run", "failed run", "cancelled", "callback", "unit started", "unit stopped", "nothing to do", "failed",
		"waiting for the gate or a component", "held for an operator",
	}
}
