"""Colours, type and the little script of the page; nothing is loaded from anywhere.

Each colour has a light and a dark value. Figures are drawn with the light ones, which
:mod:`matlever.report.canvas` then replaces by CSS variables, so that one drawing serves both.
Blue and orange are told apart by readers with any common colour vision deficiency; a mark never
differs by colour alone.
"""

from __future__ import annotations

import base64
import hashlib

__all__ = ["COLOURS", "SCRIPT", "SCRIPT_HASH", "STYLE"]

COLOURS = {
    "paper": ("#f7f6f2", "#11151a"),
    "card": ("#fffffe", "#191f26"),
    "sunk": ("#efede7", "#222a33"),
    "ink": ("#1a2027", "#e9ecef"),
    "soft": ("#525c67", "#a7b1bc"),
    "line": ("#dad7cf", "#333d48"),
    "grid": ("#e6e4dd", "#2a333d"),
    "thread": ("#a9b1b9", "#56616d"),
    "blue": ("#1764a3", "#6db3ea"),
    "wash": ("#c5dbed", "#25435d"),
    "orange": ("#b64a0b", "#f49a5c"),
    "green": ("#1c7457", "#5cc49f"),
    "amber": ("#8a5a00", "#e8b34a"),
    "amber-wash": ("#fcefcf", "#382b10"),
}

_BODY = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:4rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 ui-sans-serif,system-ui,
-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:break-word}
h1,h2,h3,.lead{font-family:Charter,"Bitstream Charter","Iowan Old Style",Georgia,
"Liberation Serif","Times New Roman",serif;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:clamp(1.9rem,1.3rem + 2.4vw,2.9rem);line-height:1.12;margin:.15em 0 .35em;
letter-spacing:-.012em;font-weight:600}
h2{font-size:clamp(1.5rem,1.2rem + 1.2vw,2rem);line-height:1.2;margin:0 0 .5em;font-weight:600}
h3{font-size:1.25rem;line-height:1.3;margin:2.4rem 0 .4rem;font-weight:600}
p{margin:.5em 0;max-width:68ch}
a{color:var(--blue)}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px;border-radius:3px}
.wrap{max-width:1120px;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
.eyebrow{margin:0;font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;
color:var(--soft);overflow-wrap:anywhere}
.eyebrow span{text-transform:none;letter-spacing:0}
.lead{font-size:clamp(1.15rem,1.02rem + .6vw,1.4rem);line-height:1.42;max-width:58ch;
text-wrap:pretty}
.soft,.how,figcaption{color:var(--soft)}
.how,figcaption,.note{font-size:.89rem;line-height:1.5}
figcaption{margin-top:.4rem;max-width:64ch}
code{font-family:ui-monospace,SFMono-Regular,Menlo,"Liberation Mono",monospace;font-size:.86em;
overflow-wrap:anywhere}
/* top: banner and navigation */
.banner{background:var(--amber-wash);color:var(--amber);border-bottom:1px solid var(--line);
font-size:.92rem;line-height:1.4;padding:.55rem 0}
.banner b{letter-spacing:.05em}
.bar{position:sticky;top:0;z-index:2;background:var(--paper);border-bottom:1px solid var(--line)}
.bar .wrap{display:flex;align-items:center;gap:1rem}
.bar nav{display:flex;gap:1.3rem;overflow-x:auto;flex:1;scrollbar-width:none}
.bar nav::-webkit-scrollbar{display:none}
.bar nav a{color:var(--soft);text-decoration:none;white-space:nowrap;padding:.8rem 0;
font-size:.92rem;max-width:13rem;overflow:hidden;text-overflow:ellipsis;flex:none}
.bar nav a:hover{color:var(--ink);text-decoration:underline;text-underline-offset:.4em}
.bar button,.copy{font:inherit;font-size:.85rem;color:var(--soft);background:none;
border:1px solid var(--line);border-radius:999px;padding:.25rem .8rem;cursor:pointer;flex:none}
.bar button:hover,.copy:hover{color:var(--ink);border-color:var(--soft)}
header.top{padding:clamp(1.6rem,4vw,3.2rem) 0 .4rem}
section{padding:clamp(2rem,5vw,3.4rem) 0 0}
section+section::before{content:"";display:block;border-top:1px solid var(--line);
margin-bottom:clamp(2rem,5vw,3.4rem)}
footer{margin:4rem 0 2.5rem;padding-top:1rem;border-top:1px solid var(--line);
font-size:.85rem;color:var(--soft)}
/* cards of the first screen */
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));
gap:1rem;margin:1.6rem 0 1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:1.15rem 1.3rem 1.25rem;min-width:0;display:flex;flex-direction:column}
.card h2{font-size:1.3rem;margin:.35rem 0 .1rem}
.card h2 a{color:inherit;text-decoration:none}
.card h2 a:hover{text-decoration:underline}
.card>p{margin:.2rem 0 .9rem;font-size:.95rem;line-height:1.5}
.facts>div{display:grid;grid-template-columns:1fr;gap:0}
.facts{display:grid;gap:.75rem;margin:auto 0 0;padding-top:.9rem;
border-top:1px solid var(--line)}
.one .facts{grid-template-columns:repeat(auto-fit,minmax(min(15rem,100%),1fr));gap:1rem 2rem}
.one .facts>div{grid-template-rows:2.2rem auto;align-content:start}.one .facts dt{align-self:end}
@supports (grid-template-rows:subgrid){
.cards:not(.one) .card{display:grid;grid-template-rows:subgrid;grid-row:span 4;gap:0}
.cards:not(.one) .facts{margin-top:0;align-content:start}.cards:not(.one) .pill{justify-self:start}}
.facts dt{font-size:.8rem;color:var(--soft);line-height:1.35}
.facts dd{margin:0;font-size:.85rem;color:var(--soft);line-height:1.4}
.facts dd b{display:block;font-size:1.45rem;line-height:1.2;color:var(--ink);font-weight:600;
letter-spacing:-.01em;overflow-wrap:anywhere}
.facts dd b.word{font-size:1.12rem;line-height:1.3;letter-spacing:0}
.facts dd b small{font-size:.72em;font-weight:400;color:var(--soft)}
.pill{align-self:flex-start;display:inline-block;font-size:.8rem;font-weight:600;
line-height:1.3;padding:.16rem .65rem;border-radius:999px;border:1px solid currentColor;
white-space:nowrap}
.pill.none{color:var(--orange)}.pill.weak{color:var(--amber)}
.pill.useful{color:var(--blue)}.pill.strong{color:var(--green)}.pill.unknown{color:var(--soft)}
/* callouts */
.say{border-left:3px solid var(--blue);padding:.15rem 0 .15rem 1rem;margin:1rem 0;
font-size:1.06rem;line-height:1.5;max-width:66ch}
.say p{margin:.3em 0}
.say.bad{border-color:var(--orange)}
.say.warn{border-color:var(--amber);background:var(--amber-wash);padding:.7rem 1rem;
border-radius:0 8px 8px 0;font-size:.95rem;max-width:none}
ul.plain{margin:.4rem 0;padding-left:1.15rem;max-width:76ch}
ul.plain li{margin:.25rem 0;overflow-wrap:anywhere}
/* tables */
.scroll{overflow-x:auto;margin:.8rem 0;border:1px solid var(--line);border-radius:10px;
background:linear-gradient(to left,var(--card) 1.2rem,transparent) right/3rem 100% no-repeat
local,linear-gradient(to left,var(--line),transparent) right/1rem 100% no-repeat scroll
var(--card)}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.4}
caption{text-align:left;padding:.7rem .9rem .1rem;color:var(--soft);font-size:.85rem}
th,td{padding:.5rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--grid)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:.82rem;line-height:1.3;
vertical-align:bottom}
thead+tbody tr:first-child>*{border-top-color:var(--line)}
tbody th{font-weight:500;min-width:8.5rem;max-width:22rem;overflow-wrap:anywhere}
td.n,th.n{text-align:right}
td.n,th.n,td.one{white-space:nowrap}
td.wide{min-width:13rem;overflow-wrap:anywhere}
tr.chosen>*{background:var(--sunk)}
tr.chosen th{font-weight:650}
tr.base>*{color:var(--soft)}
tr.main td{font-weight:650}
tr.part th{font-weight:600;background:var(--sunk)}
.tag{display:inline-block;font-size:.74rem;font-weight:500;color:var(--soft);
border:1px solid var(--line);border-radius:5px;padding:0 .35rem;margin-left:.35rem;
white-space:nowrap}
.tag.simulated{color:var(--amber);border-color:currentColor;font-family:ui-sans-serif,system-ui,
sans-serif;font-size:.78rem;vertical-align:middle;letter-spacing:0;flex:none}
dl.stats{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.2rem,1fr));
gap:1rem 1.4rem;margin:1.2rem 0 1.6rem}
dl.stats dt{font-size:.82rem;color:var(--soft);line-height:1.35}
dl.stats dd{margin:0;font-size:1.55rem;line-height:1.25;font-weight:600;letter-spacing:-.01em}
dl.stats div{display:flex;flex-direction:column-reverse;justify-content:flex-end}
dl.pairs{display:grid;grid-template-columns:minmax(8rem,14rem) minmax(0,1fr);margin:.8rem 0;
gap:.3rem 1.2rem;font-size:.92rem}
dl.pairs dt{color:var(--soft);overflow-wrap:anywhere}
dl.pairs dd{margin:0;overflow-wrap:anywhere}
details{margin:.8rem 0}
summary{cursor:pointer;color:var(--blue);font-size:.92rem;padding:.2rem 0;width:fit-content}
/* score tracks: a dot on a line from bad to perfect */
.track{display:block;position:relative;height:1.1rem;min-width:9rem;width:100%}
.track i{position:absolute;display:block}
.track .axis{left:0;right:0;top:50%;border-top:1px solid var(--line)}
.track .zero{top:.1rem;bottom:.1rem;border-left:1px dashed var(--soft)}
.track .spread{top:calc(50% - 1.5px);height:3px;background:var(--blue);opacity:.45}
.track .dot,.key .dot{width:.66rem;height:.66rem;border-radius:50%;background:var(--blue);
border:2px solid var(--blue)}
.track .dot{top:calc(50% - .33rem);margin-left:-.33rem}
.track .ring,.key .ring{background:var(--card);border-color:var(--orange)}
.track .way{top:calc(50% - 1.5px);height:3px;background:var(--blue)}
.track .span{top:calc(50% - .42rem);height:.84rem;background:var(--wash);border-radius:2px}
.track .goal{top:0;bottom:0;background:var(--green);opacity:.28;border-radius:2px}
.steps{margin:.7rem 0}
.step{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.1rem .8rem;padding:.3rem 0;
font-size:.88rem;line-height:1.35;border-top:1px solid var(--grid)}
.step .name{overflow-wrap:anywhere}.step .value{text-align:right;margin-left:auto}
.step .track{flex:0 0 100%;min-width:0}
.step.aim .name{font-weight:600}.step.aside,.step small{color:var(--soft)}
.panel>p{font-size:.92rem;line-height:1.5;max-width:none}.panel>.how{font-size:.84rem}
.ends{display:flex;justify-content:space-between;font-size:.75rem;color:var(--soft);
font-weight:400}
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;font-size:.85rem;color:var(--soft);
margin:.5rem 0;padding:0;list-style:none}
.key li{display:flex;align-items:center;gap:.45rem}
.key i{display:inline-block;flex:none}
.key .bar-of{width:1.3rem;height:.7rem;border-radius:2px}
.key .stroke{width:1.3rem;border-top:2.5px solid}
.key .stroke.far{border-top-style:dashed}
/* figures */
figure{margin:1rem 0}
.plot{display:block;width:100%;height:auto}
.plot text{font-family:inherit;paint-order:stroke;stroke:var(--halo,var(--paper));
stroke-width:3px;stroke-linejoin:round}
.panel,.heat{--halo:var(--card)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(21rem,100%),1fr));
gap:1.2rem 2.4rem;align-items:start}
.pair>*{min-width:0}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17.5rem,100%),1fr));
gap:1.1rem 1.4rem;margin:1rem 0}
.grid figure{margin:0;min-width:0}
.panel{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.9rem 1rem}
.panel .plot{max-width:none!important}
.panel h3,.panel h4{font-family:inherit;margin:0 0 .2rem;font-size:.93rem;line-height:1.35;
font-weight:600;
overflow-wrap:anywhere}
/* heat map: one strip per knob */
.heat{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1rem 1.1rem .9rem;margin:1rem 0}
.heat .row{display:grid;grid-template-columns:minmax(7rem,15rem) minmax(0,1fr) 13rem;
gap:0 1.1rem;align-items:center;padding:.2rem 0}
.heat .row.two{grid-template-columns:minmax(7rem,13rem) minmax(0,1fr)}
.heat .name{font-size:.9rem;line-height:1.25;overflow-wrap:anywhere}
.heat .strip{display:block;width:100%;height:1.9rem;background:var(--card);border-radius:3px;
outline:1px solid var(--grid)}
.heat .truth{padding-bottom:.75rem}
.heat .truth .strip{height:1.1rem}
.grid.three{grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr))}
.grid.three figure{margin:0}
.grid.changes{grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr))}
.grid.maps{grid-template-columns:repeat(auto-fill,minmax(min(23rem,100%),1fr))}
.heat .thin .strip{height:.85rem}
.heat .thin .name,.heat .head{font-size:.8rem;color:var(--soft)}
.heat .labels{display:grid;font-size:.68rem;line-height:1.2;color:var(--soft);
text-align:center}
.heat .labels span{min-width:0;overflow:visible;white-space:nowrap;display:flex;
justify-content:center}
.weight{display:grid;grid-template-columns:1fr .8rem 6.6rem;gap:0 .5rem;align-items:center;
font-size:.85rem;line-height:1.3;white-space:nowrap}
.weight .meter{position:relative;height:.7rem;background:var(--sunk);border-radius:2px}
.weight .meter i{position:absolute;display:block;left:0;top:0;bottom:0;border-radius:2px;
background:var(--soft)}
.weight .meter i.plus{background:var(--orange)}.weight .meter i.minus{background:var(--blue)}
.weight .meter i.sd{top:calc(50% - 1px);bottom:auto;height:2px;background:var(--ink);
border-radius:0}
.many .strip{height:1.35rem}
.scale{display:flex;align-items:center;gap:.6rem;font-size:.8rem;
color:var(--soft);margin-top:.7rem}
.scale span{min-width:0;overflow-wrap:anywhere}
.scale svg{flex:0 1 11rem;min-width:4rem;height:.8rem;border-radius:2px;
outline:1px solid var(--grid)}
@media screen and (max-width:760px){
.bar nav{mask-image:linear-gradient(to left,transparent,#000 1.6rem);padding-right:1.6rem}
.labels.many{display:none!important}
.heat .row,.heat .row.two{grid-template-columns:minmax(0,1fr);gap:.15rem;padding:.45rem 0}
.heat .row.ticks{padding:0}
.heat .row.head .blank,.heat .row.ticks .blank{display:none}
.heat .row.head span:last-child{display:none}
dl.pairs{grid-template-columns:minmax(0,1fr);gap:0}
dl.pairs dd{margin-bottom:.6rem}
th,td{padding:.45rem .65rem}
tbody th{min-width:8.6rem}
.track{min-width:7rem}
.say{font-size:1rem}
}
@media print{
@page{margin:16mm 14mm}
:root{--paper:#fff;--card:#fff}
body{font-size:10pt}
.bar,.copy{display:none}
.wrap{max-width:none;padding:0}
.banner{padding:.4rem .8rem}
section,header.top{padding-top:1.2rem}
section+section::before{margin-bottom:1.2rem}
section.target{break-before:page}
section.target::before{display:none!important}
h2,h3,h4,h3+p,caption{break-after:avoid}
.labels.many{font-size:.52rem!important}
figure,.card,.panel,.heat,tr,.say{break-inside:avoid}
.card,.panel,.heat,.scroll{border-color:#999}
.scroll{overflow:visible}
.cards{grid-template-columns:minmax(0,1fr);gap:.7rem;margin:.8rem 0}
.card{padding:.7rem 1rem}
.card>p{margin:.2rem 0 .4rem}
.facts{padding-top:.5rem;grid-template-columns:repeat(3,minmax(0,1fr))!important;gap:1.4rem}
.heat .row{grid-template-columns:10rem minmax(0,1fr) 12rem}
th,td{padding:.3rem .6rem}
.grid{grid-template-columns:repeat(3,1fr)}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""


def _theme(column: int) -> str:
    values = ";".join(f"--{name}:{pair[column]}" for name, pair in COLOURS.items())
    return f"color-scheme:{('light', 'dark')[column]};{values}"


STYLE = (
    f":root{{{_theme(0)}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{_theme(1)}}}}}"
    f"@media screen{{:root[data-theme=dark]{{{_theme(1)}}}}}"
    f"{_BODY}"
).replace("\n", " ")

SCRIPT = """
(function(){
var root=document.documentElement,button=document.getElementById("theme");
var dark=window.matchMedia("(prefers-color-scheme: dark)");
function now(){return root.getAttribute("data-theme")||(dark.matches?"dark":"light")}
function name(){button.textContent=now()==="dark"?"Light":"Dark"}
function keep(value){try{localStorage.setItem("matlever-theme",value)}catch(refused){}}
try{var kept=localStorage.getItem("matlever-theme");
if(kept==="dark"||kept==="light"){root.setAttribute("data-theme",kept)}}catch(refused){}
button.hidden=false;name();dark.addEventListener("change",name);
button.addEventListener("click",function(){var next=now()==="dark"?"light":"dark";
root.setAttribute("data-theme",next);keep(next);name()});
window.addEventListener("beforeprint",function(){
document.querySelectorAll("details").forEach(function(part){part.open=true})});
document.querySelectorAll(".copy").forEach(function(copy){copy.hidden=false;
copy.addEventListener("click",function(){
navigator.clipboard.writeText(copy.previousElementSibling.textContent).then(function(){
copy.textContent="Copied"})})});
})();
"""

SCRIPT_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
