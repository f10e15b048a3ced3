"""How widgets and their static pictures look: one style sheet, included once per cell.

Colours come from the front end's own theme where it has variables for them (JupyterLab, Notebook 7, VS Code) and
from `currentColor` where not, so the same HTML is legible in light and in dark. Series colours are one blue and one
orange of middle lightness: at least 3:1 on white and on near-black, told apart by colour-blind readers, and never the
only sign (lines differ in dashes and markers, states carry a word and a symbol).
"""

from __future__ import annotations

TRAIN_COLOUR = "#3d85c6"
VALID_COLOUR = "#d9730d"

# Overlaid jobs: Okabe and Ito's palette without its yellow, which is lost on white; dashes tell the rest.
SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a7a00")

CSS = """
.tb{--tb-line:var(--jp-border-color2,var(--vscode-widget-border,rgba(128,128,128,.35)));
--tb-soft:var(--jp-layout-color2,var(--vscode-textBlockQuote-background,rgba(128,128,128,.1)));
--tb-muted:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,currentColor));
--tb-train:#3d85c6;--tb-valid:#d9730d;--tb-good:#2e8b57;--tb-bad:#d1453b;--tb-wait:#b8860b;
color:var(--jp-ui-font-color1,var(--vscode-editor-foreground,currentColor));
font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;max-width:960px}
.tb *{box-sizing:border-box}
.tb .tb-muted{color:var(--tb-muted)}
.tb .tb-mono{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px}
.tb .tb-head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;margin:0 0 2px}
.tb .tb-title{font-size:15px;font-weight:600}
.tb .tb-push{margin-left:auto}
.tb .tb-chip{display:inline-block;min-width:86px;text-align:center;padding:0 8px;border-radius:10px;
border:1px solid var(--tone);font-weight:600;font-size:12px;line-height:20px;white-space:nowrap}
.tb .tb-chip-small{min-width:0;line-height:16px;font-size:11px}
.tb .tb-sign{color:var(--tone)}
.tb .tb-go{--tone:var(--tb-train)}.tb .tb-wait{--tone:var(--tb-wait)}.tb .tb-rest{--tone:var(--tb-muted)}
.tb .tb-good{--tone:var(--tb-good)}.tb .tb-bad{--tone:var(--tb-bad)}
.tb .tb-line{min-height:20px}
.tb .tb-bar{position:relative;height:10px;border-radius:5px;background:var(--tb-soft);
border:1px solid var(--tb-line);overflow:hidden;margin:6px 0 2px}
.tb .tb-bar>i{position:absolute;left:0;top:0;bottom:0;background:var(--tb-train)}
.tb .tb-bar>b{position:absolute;top:0;bottom:0;width:1px;background:var(--tb-line)}
.tb .tb-bar.tb-done>i{background:var(--tb-good)}.tb .tb-bar.tb-stopped>i{background:var(--tb-muted)}
.tb .tb-under{display:flex;flex-wrap:wrap;gap:0 14px;color:var(--tb-muted);min-height:20px}
.tb .tb-notice{border-left:3px solid var(--tone);background:var(--tb-soft);padding:4px 10px;margin:6px 0}
.tb .tb-code-to-type{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:20px;font-weight:600;
letter-spacing:.12em;margin:4px 0;user-select:all}
.tb .tb-notice a{color:inherit;text-decoration:underline}
.tb .tb-columns{display:flex;flex-wrap:wrap;gap:8px 20px;align-items:flex-start;margin-top:8px}
.tb .tb-chart{flex:1 1 420px;min-width:280px;max-width:640px}
.tb .tb-side{flex:1 1 230px;min-width:220px;min-height:150px}
.tb .tb-side h4,.tb h4{margin:0 0 2px;font-size:12px;font-weight:600;color:var(--tb-muted)}
.tb svg{display:block;max-width:100%;overflow:visible}
.tb table.tb-table{border-collapse:collapse;font-size:12px;margin:2px 0 6px;width:auto;color:inherit;border:0}
.tb table.tb-table caption{caption-side:top;text-align:left;font-weight:600;color:var(--tb-muted);padding:0 0 2px}
.tb table.tb-table th,.tb table.tb-table td{padding:2px 10px 2px 0;text-align:left;border:0;
border-bottom:1px solid var(--tb-line);background:transparent;vertical-align:middle;white-space:nowrap}
.tb table.tb-table tr{background:transparent!important}
.tb table.tb-table th{font-weight:600;color:var(--tb-muted)}
.tb table.tb-table .tb-num{text-align:right;font-variant-numeric:tabular-nums}
.tb table.tb-table td .tb-mono{white-space:normal;overflow-wrap:anywhere}
.tb .tb-mini{display:inline-block;width:48px;height:6px;margin-right:6px;border-radius:3px;background:var(--tb-soft);
border:1px solid var(--tb-line);overflow:hidden;vertical-align:middle}
.tb .tb-mini>i{display:block;height:100%;background:var(--tb-train)}
.tb table.tb-board th[scope=row]{color:inherit;font-weight:400}
.tb .tb-events-box{height:110px;overflow:auto;border-top:1px solid var(--tb-line);margin-bottom:4px}
.tb ul.tb-events{margin:0!important;padding:0!important;list-style:none}
.tb .tb-events li{display:flex;gap:10px;padding:1px 0;margin:0}
.tb .tb-events time{color:var(--tb-muted);font-variant-numeric:tabular-nums;flex:none}
.tb .tb-events span{overflow-wrap:anywhere}
.tb .tb-scroll{overflow:auto;max-height:420px}
.tb pre.tb-code{margin:4px 0;padding:8px 10px;background:var(--tb-soft);border:1px solid var(--tb-line);
border-radius:3px;overflow:auto;max-height:260px;font-size:12px;line-height:1.45;white-space:pre;color:inherit;
font-family:var(--jp-code-font-family,ui-monospace,monospace)}
.tb h4.tb-group{margin:10px 0 2px;color:inherit;border-bottom:1px solid var(--tb-line)}
.tb .tb-note{font-size:12px;line-height:1.4;color:var(--tb-muted);margin:0;overflow-wrap:anywhere}
.tb .tb-note.tb-bad,.tb .tb-note.tb-wait{color:inherit}
.tb-form,.tb-live{container-type:inline-size}
@container (max-width:716px){.tb-beside{margin:0 0 6px 168px!important;min-height:0!important}
.tb-live-side{min-height:240px!important}}
"""


def style_tag() -> str:
    """The style sheet as one `<style>` element."""
    return f"<style>{CSS}</style>"
