"""The pages of the screen: lines of text from values. Nothing here reads a record.

overview            a package: page 1, the health of the system
node, decision, events, map    pages 2 to 5
decision_values     the sections of the decision page on values and voters
help                the page behind `?`
status              the line at the top
style               marks, words, styles and line widths that all pages share
coastline, large_letters    the land on the map, and the letters of the banner"""
